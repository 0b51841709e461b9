/** The functions as `cdk deploy` would upload them: bundled by the construct that the stacks use. */
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { App, Duration, Stack } from 'aws-cdk-lib';
import { NodeFunction } from '../../../infra/constructs/node-function.ts';
import { configOf } from '../../infra/synthesize.ts';

export interface Bundle {
  readonly file: string;
  readonly bytes: number;
  readonly sourceMapBytes: number;
  /** As deployed; names in it are dummies. */
  readonly environment: Readonly<Record<string, string>>;
}

export interface BundledFunction {
  /** Folder below `functions/` whose `handler.ts` exports `handler`. */
  readonly folder: string;
  readonly environment: Readonly<Record<string, string>>;
}

interface FunctionResource {
  readonly Type: string;
  readonly Properties: {
    readonly Description: string;
    readonly Code: { readonly S3Key: string };
    readonly Environment: { readonly Variables: Readonly<Record<string, string>> };
  };
}

/** Bundles functions into a folder. */
export function bundle<Name extends string>(
  functions: Readonly<Record<Name, BundledFunction>>,
  outputFolder: string,
): Record<Name, Bundle> {
  const app = new App({ outdir: outputFolder, analyticsReporting: false });
  const stack = new Stack(app, 'ColdStart');
  const entries = Object.entries<BundledFunction>(functions);
  for (const [name, { folder, environment }] of entries) {
    new NodeFunction(stack, name, {
      folder,
      environment,
      description: name,
      memoryMegabytes: 1_024,
      timeout: Duration.seconds(10),
      config: configOf('prod'),
    });
  }
  const resources: FunctionResource[] = Object.values(app.synth().getStackByName('ColdStart').template.Resources);
  const bundles = entries.map(([name]) => {
    const resource = resources.find(
      ({ Type, Properties }) => Type === 'AWS::Lambda::Function' && Properties.Description === name,
    );
    if (!resource) throw new Error(`the stack has no function ${name}`);
    const { Code, Environment } = resource.Properties;
    const file = join(outputFolder, `asset.${Code.S3Key.replace('.zip', '')}`, 'index.js');
    const bundle: Bundle = {
      file,
      bytes: statSync(file).size,
      sourceMapBytes: statSync(`${file}.map`).size,
      environment: Environment.Variables,
    };
    return [name, bundle];
  });
  return Object.fromEntries(bundles);
}

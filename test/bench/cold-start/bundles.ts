/** The functions as `cdk deploy` would upload them: bundled by the code of the construct that the stacks use. */
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { App, Duration, Stack } from 'aws-cdk-lib';
import { bundle, NodeFunction } from '../../../infra/constructs/node-function.ts';
import { PROJECT_ROOT } from '../../../shared/registry/working-directory.ts';
import { configOf } from '../../infra/synthesize.ts';

export interface Bundle {
  readonly file: string;
  readonly bytes: number;
  readonly sourceMapBytes: number;
  /** As deployed; names in it are dummies. */
  readonly environment: Readonly<Record<string, string>>;
}

export interface BundledFunction {
  /** Folder of the project whose `handler.ts` exports `handler`. */
  readonly folder: string;
  readonly environment: Readonly<Record<string, string>>;
}

interface FunctionResource {
  readonly Type: string;
  readonly Properties: {
    readonly Description: string;
    readonly Environment: { readonly Variables: Readonly<Record<string, string>> };
  };
}

/** Bundles functions into a folder. */
export function bundleAll<Name extends string>(
  functions: Readonly<Record<Name, BundledFunction>>,
  outputFolder: string,
): Record<Name, Bundle> {
  const entries = Object.entries<BundledFunction>(functions);
  const config = configOf('prod');
  const entryPoints = entries.map(([, { folder }]) => join(PROJECT_ROOT, folder, 'handler.ts'));
  bundle({ entryPoints, outbase: PROJECT_ROOT, outdir: outputFolder, featuresModule: config.featuresModule });
  // Templates alone: what the construct sets beside what it is told.
  const app = new App({
    outdir: join(outputFolder, 'cdk.out'),
    analyticsReporting: false,
    context: { 'aws:cdk:bundling-stacks': [] },
  });
  const stack = new Stack(app, 'ColdStart');
  for (const [name, { environment }] of entries) {
    new NodeFunction(stack, name, {
      folder: 'serve',
      environment,
      description: name,
      memoryMegabytes: 1_024,
      timeout: Duration.seconds(10),
      config,
    });
  }
  const resources: FunctionResource[] = Object.values(app.synth().getStackByName('ColdStart').template.Resources);
  const made = entries.map(([name, { folder }]) => {
    const deployed = resources.find(
      ({ Type, Properties }) => Type === 'AWS::Lambda::Function' && Properties.Description === name,
    );
    if (!deployed) throw new Error(`the stack has no function ${name}`);
    const file = join(outputFolder, folder, 'index.js');
    const bundle: Bundle = {
      file,
      bytes: statSync(file).size,
      sourceMapBytes: statSync(`${file}.map`).size,
      environment: deployed.Properties.Environment.Variables,
    };
    return [name, bundle];
  });
  return Object.fromEntries(made);
}

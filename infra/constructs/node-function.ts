import { globSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Duration, RemovalPolicy, Stack } from 'aws-cdk-lib';
import { PolicyStatement, Role, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import { Architecture, Code, Function as LambdaFunction, Runtime } from 'aws-cdk-lib/aws-lambda';
import { LogGroup } from 'aws-cdk-lib/aws-logs';
import { Construct } from 'constructs';
import { buildSync } from 'esbuild';
import { ENV } from '../../functions/constants.ts';
import { BUNDLED_FEATURES } from '../../shared/registry/load-repository.ts';
import { IMPORTABLE } from '../../shared/registry/own-modules.ts';
import { PROJECT_ROOT } from '../../shared/registry/working-directory.ts';
import type { StageConfig } from '../config.ts';

const FUNCTIONS = join(PROJECT_ROOT, 'functions');

export interface NodeFunctionProps {
  /** Folder below `functions/` whose `handler.ts` exports `handler`. */
  readonly folder: string;
  readonly description: string;
  readonly memoryMegabytes: number;
  readonly timeout: Duration;
  /** Beside those that every function has. */
  readonly environment: Readonly<Record<string, string>>;
  readonly config: StageConfig;
}

/** A function of `functions/`, with a role that can write its own log and do what it is granted by hand, no more. */
export class NodeFunction extends Construct {
  readonly function: LambdaFunction;

  constructor(scope: Construct, id: string, props: NodeFunctionProps) {
    super(scope, id);
    const { config } = props;
    const logGroup = new LogGroup(this, 'Log', {
      retention: config.logRetention,
      removalPolicy: RemovalPolicy.DESTROY,
    });
    // Not the role that CDK would make: it carries a managed policy for every log group of the account.
    const role = new Role(this, 'Role', { assumedBy: new ServicePrincipal('lambda.amazonaws.com') });
    // Tests of templates need no code.
    const code = Stack.of(this).bundlingRequired ? bundlesOf(config) : FUNCTIONS;
    this.function = new LambdaFunction(this, 'Function', {
      description: props.description,
      code: Code.fromAsset(join(code, props.folder)),
      handler: 'index.handler',
      runtime: Runtime.NODEJS_24_X,
      architecture: Architecture.ARM_64,
      memorySize: props.memoryMegabytes,
      timeout: props.timeout,
      role,
      logGroup,
      environment: {
        NODE_OPTIONS: '--enable-source-maps',
        [ENV.metricsNamespace]: config.prefix,
        [ENV.production]: String(config.production),
        ...(config.endpointUrl !== undefined && { [ENV.endpoint]: config.endpointUrl }),
        ...(config.landing.by === 'lander' && { [ENV.rowEndpoint]: config.landing.url }),
        ...props.environment,
      },
    });
    this.grant(['logs:CreateLogStream', 'logs:PutLogEvents'], [logGroup.logGroupArn]);
  }

  /** Exactly these actions on exactly these resources. The grants of CDK's constructs are wider than we use. */
  grant(actions: readonly string[], resources: readonly string[]): void {
    this.function.addToRolePolicy(new PolicyStatement({ actions: [...actions], resources: [...resources] }));
  }
}

/** By the module of declarations that is bundled with the functions. */
const bundles = new Map<string, string>();

/**
 * A folder with the code of all functions and their source maps, each in a folder of its own, until this process ends. One run of
 * esbuild for all of them: they share most of what it reads.
 */
function bundlesOf({ featuresModule }: StageConfig): string {
  const known = bundles.get(featuresModule);
  if (known !== undefined) return known;
  const output = mkdtempSync(join(tmpdir(), 'feature-store-bundles-'));
  process.once('exit', () => rmSync(output, { recursive: true, force: true }));
  bundle({
    entryPoints: globSync(join(FUNCTIONS, '*/handler.ts')),
    outbase: FUNCTIONS,
    outdir: output,
    featuresModule,
  });
  bundles.set(featuresModule, output);
  return output;
}

/** Bundles handlers, each as `index.js` with its source map in the folder below `outdir` that it has below `outbase`. */
export function bundle({
  featuresModule,
  ...files
}: {
  readonly entryPoints: string[];
  readonly outbase: string;
  readonly outdir: string;
  readonly featuresModule: string;
}): void {
  buildSync({
    ...files,
    entryNames: '[dir]/index',
    bundle: true,
    platform: 'node',
    target: 'node24',
    // Not ESM: to import `node:http` as a module reads all its exports, and some of them load much more of Node.
    format: 'cjs',
    // Sources of dependencies still are ES modules, of which only what is used gets into the bundle.
    mainFields: ['module', 'main'],
    minify: true,
    // A file of its own, to which the code points: that is where --enable-source-maps looks for it.
    sourcemap: true,
    sourcesContent: false,
    // What is imported by name: the declarations to deploy, and by them the product, wherever their folder is.
    alias: { ...IMPORTABLE, [BUNDLED_FEATURES]: featuresModule },
    // That of people's folders is for their editor: Node and the type checker do not follow its paths either.
    tsconfigRaw: {},
    absWorkingDir: PROJECT_ROOT,
    logLevel: 'error',
  });
}

import { join, resolve } from 'node:path';
import { type Duration, RemovalPolicy } from 'aws-cdk-lib';
import { PolicyStatement, Role, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import { Architecture, Runtime } from 'aws-cdk-lib/aws-lambda';
import { NodejsFunction, OutputFormat, SourceMapMode } from 'aws-cdk-lib/aws-lambda-nodejs';
import { LogGroup } from 'aws-cdk-lib/aws-logs';
import { Construct } from 'constructs';
import { ENV } from '../../functions/constants.ts';
import { SHIPPED_FEATURES } from '../../shared/registry/load-repository.ts';
import type { StageConfig } from '../config.ts';

const PROJECT_ROOT = join(import.meta.dirname, '../..');

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
  readonly function: NodejsFunction;

  constructor(scope: Construct, id: string, props: NodeFunctionProps) {
    super(scope, id);
    const { config } = props;
    const logGroup = new LogGroup(this, 'Log', {
      retention: config.logRetention,
      removalPolicy: RemovalPolicy.DESTROY,
    });
    // Not the role that CDK would make: it carries a managed policy for every log group of the account.
    const role = new Role(this, 'Role', { assumedBy: new ServicePrincipal('lambda.amazonaws.com') });
    this.function = new NodejsFunction(this, 'Function', {
      description: props.description,
      entry: join(PROJECT_ROOT, 'functions', props.folder, 'handler.ts'),
      projectRoot: PROJECT_ROOT,
      depsLockFilePath: join(PROJECT_ROOT, 'package-lock.json'),
      runtime: Runtime.NODEJS_24_X,
      architecture: Architecture.ARM_64,
      memorySize: props.memoryMegabytes,
      timeout: props.timeout,
      role,
      logGroup,
      // An option of version 2 of the SDK; version 3 always keeps connections.
      awsSdkConnectionReuse: false,
      environment: {
        NODE_OPTIONS: '--enable-source-maps',
        [ENV.stage]: config.stage,
        [ENV.production]: String(config.production),
        ...(config.endpointUrl !== undefined && { [ENV.endpoint]: config.endpointUrl }),
        ...(config.landing.by === 'lander' && { [ENV.rowEndpoint]: config.landing.url }),
        ...props.environment,
      },
      bundling: {
        // Not ESM: to import `node:http` as a module reads all its exports, and some of them load much more of Node.
        format: OutputFormat.CJS,
        // Sources of dependencies still are ES modules, of which only what is used gets into the bundle.
        mainFields: ['module', 'main'],
        minify: true,
        sourceMap: true,
        // A file of its own, to which the code points: that is where --enable-source-maps looks for it.
        sourceMapMode: SourceMapMode.DEFAULT,
        sourcesContent: false,
        // The copy of the SDK in the runtime loads slower than the part of it that we use, and changes unasked.
        bundleAwsSDK: true,
        ...(config.featuresModule !== undefined && {
          esbuildArgs: { '--alias': [`${SHIPPED_FEATURES}=${resolve(config.featuresModule)}`] },
        }),
      },
    });
    this.grant(['logs:CreateLogStream', 'logs:PutLogEvents'], [logGroup.logGroupArn]);
  }

  /** Exactly these actions on exactly these resources. The grants of CDK's constructs are wider than we use. */
  grant(actions: readonly string[], resources: readonly string[]): void {
    this.function.addToRolePolicy(new PolicyStatement({ actions: [...actions], resources: [...resources] }));
  }
}

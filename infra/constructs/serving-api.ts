import { Duration, RemovalPolicy, Stack, Validations } from 'aws-cdk-lib';
import { AccessLogFormat } from 'aws-cdk-lib/aws-apigateway';
import {
  type CfnApi,
  type CfnStage,
  HttpApi,
  HttpMethod,
  HttpNoneAuthorizer,
  HttpRoute,
  HttpRouteKey,
  HttpStage,
  type IHttpRouteAuthorizer,
  LogGroupLogDestination,
} from 'aws-cdk-lib/aws-apigatewayv2';
import { HttpIamAuthorizer } from 'aws-cdk-lib/aws-apigatewayv2-authorizers';
import { HttpLambdaIntegration } from 'aws-cdk-lib/aws-apigatewayv2-integrations';
import type { Table } from 'aws-cdk-lib/aws-dynamodb';
import { ManagedPolicy, PolicyStatement } from 'aws-cdk-lib/aws-iam';
import type { IFunction } from 'aws-cdk-lib/aws-lambda';
import { LogGroup } from 'aws-cdk-lib/aws-logs';
import type { Bucket } from 'aws-cdk-lib/aws-s3';
import { Construct } from 'constructs';
import { ENV } from '../../functions/constants.ts';
import { type Route, servingRoutes } from '../../functions/routes.ts';
import { SERVE_ENV, SERVE_TIMEOUT_SECONDS } from '../../functions/serve/constants.ts';
import type { ApiDescription } from '../../functions/serve/ports.ts';
import { requireUsableNames } from '../../functions/serve/schemas.ts';
import type { FeatureRepository } from '../../shared/registry/manifest.ts';
import type { StageConfig, Throttle } from '../config.ts';
import type { SourceStream } from '../stateful-stack.ts';
import { DECISION_PREFIXES } from './decisions-bucket.ts';
import { NodeFunction } from './node-function.ts';
import { grantRows, type RowIntake, rowEnvironment } from './row-delivery.ts';
import { importedArnOf, shownArn } from './shown-arn.ts';

/** One line per request: who, what, how long, how it ended. Bodies hold payments of people and are never logged. */
const ACCESS_LOG_FORMAT = AccessLogFormat.custom(
  JSON.stringify({
    requestId: '$context.requestId',
    requestTime: '$context.requestTime',
    routeKey: '$context.routeKey',
    status: '$context.status',
    caller: '$context.identity.userArn',
    sourceIp: '$context.identity.sourceIp',
    responseLatencyMillis: '$context.responseLatency',
    integrationLatencyMillis: '$context.integrationLatency',
    responseBytes: '$context.responseLength',
    integrationError: '$context.integrationErrorMessage',
  }),
);

export interface ServingApiProps {
  readonly repository: FeatureRepository;
  readonly onlineTable: Table;
  readonly streams: readonly SourceStream[];
  readonly decisionsBucket: Bucket;
  /** Where answers and decided events are kept; none where history is not landed. */
  readonly rowDeliveries: readonly RowIntake[];
  readonly config: StageConfig;
}

/**
 * The HTTP API of features and decisions. Each route of the repository is one of the API, with a permission and a throttle
 * of its own; whatever else is asked for reaches the serving function too, which says what there is.
 */
export class ServingApi extends Construct {
  readonly function: IFunction;
  readonly api: HttpApi;
  readonly stage: HttpStage;
  /** Where callers find the routes. */
  readonly url: string;
  /** Those that the serving function measures, without aliases, which share the metrics of what they stand for. */
  readonly measuredRoutes: readonly Route[];
  readonly #authorizer: IHttpRouteAuthorizer;
  readonly #throttles: StageConfig['serving']['throttles'];
  readonly #isSigned: boolean;
  readonly #policies = new Map<string, ManagedPolicy>();

  constructor(scope: Construct, id: string, props: ServingApiProps) {
    super(scope, id);
    requireUsableNames(props.repository);
    const { repository, onlineTable, streams, decisionsBucket, rowDeliveries, config } = props;
    const { authorization, memoryMegabytes, throttles, deadlineMillis } = config.serving;
    this.#throttles = throttles;
    this.#isSigned = authorization === 'iam';
    this.#authorizer = this.#isSigned ? new HttpIamAuthorizer() : new HttpNoneAuthorizer();
    this.api = new HttpApi(this, 'Api', {
      apiName: config.prefix,
      description: 'Online features and fraud decisions.',
      createDefaultStage: false,
    });
    this.url =
      config.endpointUrl === undefined
        ? this.api.apiEndpoint
        : // Host names under execute-api.localhost do not resolve everywhere; this path is the same API.
          `${config.endpointUrl}/_aws/execute-api/${this.api.apiId}/$default`;
    const description: ApiDescription = {
      url: this.url,
      authorization,
      offersTrainingSets: config.landing.by !== 'nobody',
    };
    const serve = new NodeFunction(this, 'Serve', {
      folder: 'serve',
      description: 'Serves online features and fraud decisions.',
      memoryMegabytes,
      timeout: Duration.seconds(SERVE_TIMEOUT_SECONDS),
      environment: {
        [ENV.tableName]: onlineTable.tableName,
        [SERVE_ENV.streamNames]: Stack.of(this).toJsonString(
          Object.fromEntries(streams.map(({ source, stream }) => [source.name, stream.streamName])),
        ),
        [SERVE_ENV.decisionsBucket]: decisionsBucket.bucketName,
        [SERVE_ENV.api]: Stack.of(this).toJsonString(description),
        ...rowEnvironment(Stack.of(this), rowDeliveries),
        ...(config.waitsForRows && { [SERVE_ENV.waitsForRows]: 'true' }),
        ...(deadlineMillis !== undefined && { [SERVE_ENV.deadlineMillis]: String(deadlineMillis) }),
      },
      config,
    });
    this.function = serve.function;
    grantServing(serve, props);
    this.stage = this.#addStage(config);
    const routes = servingRoutes(repository);
    this.measuredRoutes = routes.filter((route) => !('alias' in route));
    this.addRoutes('Integration', routes, this.function);
    const others = new HttpRoute(this, 'Others', {
      httpApi: this.api,
      routeKey: HttpRouteKey.DEFAULT,
      // With a permission of its own: the address of this route is shorter than that of all others.
      integration: new HttpLambdaIntegration('OthersIntegration', this.function),
      authorizer: this.#authorizer,
    });
    this.#admit(others, '$default', throttles.others);
  }

  #addStage({ prefix, logRetention }: StageConfig): HttpStage {
    const { rate, burst } = this.#throttles.routes;
    return new HttpStage(this, 'DefaultStage', {
      httpApi: this.api,
      stageName: '$default',
      autoDeploy: true,
      throttle: { rateLimit: rate, burstLimit: burst },
      accessLogSettings: {
        destination: new LogGroupLogDestination(
          new LogGroup(this, 'AccessLog', {
            // Under this prefix AWS needs no entry of its own in the resource policy of all logs, which has a size limit.
            logGroupName: `/aws/vendedlogs/${prefix}-api`,
            retention: logRetention,
            removalPolicy: RemovalPolicy.DESTROY,
          }),
        ),
        format: ACCESS_LOG_FORMAT,
      },
    });
  }

  /** Lets a function answer routes, and whoever has the policy of a route call it. */
  addRoutes(id: string, routes: readonly Route[], lambda: IFunction): void {
    // One permission for all routes: the policy of a function has room for some forty.
    const integration = new HttpLambdaIntegration(id, lambda, { scopePermissionToRoute: false });
    for (const { kind, name, method, path } of routes) {
      const added = this.api.addRoutes({
        path,
        methods: [HttpMethod[method]],
        integration,
        authorizer: this.#authorizer,
      });
      const isCostly = kind === 'createTrainingSet';
      for (const route of added)
        this.#admit(route, `${method} ${path}`, isCostly ? this.#throttles.trainingSets : undefined);
      if (this.#isSigned) this.#permit(kind.endsWith('TrainingSet') ? 'training-sets' : name, method, path);
    }
  }

  /** The managed policies of callers by what they permit: the name of a route, or `training-sets`. */
  callerPolicyArns(): Readonly<Record<string, string>> {
    return Object.fromEntries([...this.#policies].map(([name, policy]) => [name, policy.managedPolicyArn]));
  }

  #permit(name: string, method: string, path: string): void {
    const policy =
      this.#policies.get(name) ??
      new ManagedPolicy(this, `Caller-${name}`, { description: `Lets a role call ${name} of the feature store.` });
    this.#policies.set(name, policy);
    const asked = path.replace(/\{[^}]*\}/, '*');
    // An API of this kind has one stage, and says its name in other words than its address does.
    policy.addStatements(
      new PolicyStatement({
        actions: ['execute-api:Invoke'],
        resources: [this.api.arnForExecuteApi(method, asked, '*')],
      }),
    );
    const stack = Stack.of(this);
    const apiId = stack.getLogicalId(this.api.node.defaultChild as CfnApi);
    Validations.of(policy).acknowledge({
      id: `AwsSolutions-IAM5[Resource::${shownArn(stack, 'execute-api', `<${apiId}>/*/${method}${asked}`)}]`,
      reason: 'The API has one stage, so any stage is this one; an id of a training set is known to nobody else.',
    });
  }

  /** @param throttle instead of that of the stage. */
  #admit(route: HttpRoute, key: string, throttle: Throttle | undefined): void {
    if (throttle) {
      const stage = this.stage.node.defaultChild as CfnStage;
      stage.routeSettings = {
        ...stage.routeSettings,
        [key]: { ThrottlingRateLimit: throttle.rate, ThrottlingBurstLimit: throttle.burst },
      };
      // A stage cannot have settings of a route that does not exist yet.
      this.stage.node.addDependency(route);
    }
    if (this.#isSigned) return;
    Validations.of(route).acknowledge({
      id: 'AwsSolutions-APIG4',
      reason: 'This stage runs in an emulator on one machine, which cannot verify signatures.',
    });
  }
}

/** What the serving function may do: update and read items, send events and rows, read how it decides. */
function grantServing(
  serve: NodeFunction,
  { onlineTable, streams, decisionsBucket, rowDeliveries }: ServingApiProps,
): void {
  grantRows(serve, rowDeliveries);
  serve.grant(['dynamodb:UpdateItem', 'dynamodb:GetItem', 'dynamodb:BatchGetItem'], [onlineTable.tableArn]);
  serve.grant(
    ['kinesis:PutRecord', 'kinesis:PutRecords', 'kinesis:DescribeStreamSummary'],
    streams.map(({ stream }) => stream.streamArn),
  );
  // Without the right to list the bucket, S3 answers that what does not exist is forbidden.
  serve.grant(['s3:ListBucket'], [decisionsBucket.bucketArn]);
  for (const prefix of DECISION_PREFIXES) {
    serve.grant(['s3:GetObject'], [decisionsBucket.arnForObjects(`${prefix}*`)]);
    Validations.of(serve).acknowledge({
      id: `AwsSolutions-IAM5[Resource::${importedArnOf(decisionsBucket)}/${prefix}*]`,
      reason:
        'Which configuration and model decide is said by an object, so what may be read is a prefix and no list of names.',
    });
  }
}

import { Duration, RemovalPolicy, Stack, Validations } from 'aws-cdk-lib';
import { AccessLogFormat } from 'aws-cdk-lib/aws-apigateway';
import { HttpApi, HttpMethod, HttpStage, LogGroupLogDestination } from 'aws-cdk-lib/aws-apigatewayv2';
import { HttpIamAuthorizer } from 'aws-cdk-lib/aws-apigatewayv2-authorizers';
import { HttpLambdaIntegration } from 'aws-cdk-lib/aws-apigatewayv2-integrations';
import type { Table } from 'aws-cdk-lib/aws-dynamodb';
import type { NodejsFunction } from 'aws-cdk-lib/aws-lambda-nodejs';
import { LogGroup } from 'aws-cdk-lib/aws-logs';
import type { Bucket } from 'aws-cdk-lib/aws-s3';
import { Construct } from 'constructs';
import { ENV } from '../../functions/constants.ts';
import { ROUTES, SERVE_ENV } from '../../functions/serve/constants.ts';
import type { StageConfig } from '../config.ts';
import type { SourceStream } from '../stateful-stack.ts';
import { DECISION_PREFIXES } from './decisions-bucket.ts';
import { importedArnOf } from './imported-arn.ts';
import { NodeFunction } from './node-function.ts';
import { grantRows, type RowIntake, rowEnvironment } from './row-delivery.ts';

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
  readonly onlineTable: Table;
  readonly streams: readonly SourceStream[];
  readonly decisionsBucket: Bucket;
  /** Where answers and decided events are kept; none where history is not landed. */
  readonly rowDeliveries: readonly RowIntake[];
  readonly config: StageConfig;
}

/** The HTTP API of features and decisions: every route of `ROUTES`, answered by one function. */
export class ServingApi extends Construct {
  readonly function: NodejsFunction;
  readonly api: HttpApi;
  readonly stage: HttpStage;
  readonly #authorization: StageConfig['serving']['authorization'];

  constructor(
    scope: Construct,
    id: string,
    { onlineTable, streams, decisionsBucket, rowDeliveries, config }: ServingApiProps,
  ) {
    super(scope, id);
    const { authorization, memoryMegabytes, requestsPerSecondMax, burstRequestsMax, deadlineMillis } = config.serving;
    const serve = new NodeFunction(this, 'Serve', {
      folder: 'serve',
      description: 'Serves online features and fraud decisions.',
      memoryMegabytes,
      timeout: Duration.seconds(10),
      environment: {
        [ENV.tableName]: onlineTable.tableName,
        [SERVE_ENV.streamNames]: Stack.of(this).toJsonString(
          Object.fromEntries(streams.map(({ source, stream }) => [source.name, stream.streamName])),
        ),
        [SERVE_ENV.decisionsBucket]: decisionsBucket.bucketName,
        ...rowEnvironment(Stack.of(this), rowDeliveries),
        ...(config.waitsForRows && { [SERVE_ENV.waitsForRows]: 'true' }),
        ...(deadlineMillis !== undefined && { [SERVE_ENV.deadlineMillis]: String(deadlineMillis) }),
      },
      config,
    });
    this.function = serve.function;
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

    this.api = new HttpApi(this, 'Api', {
      apiName: `feature-store-${config.stage}`,
      description: 'Online features and fraud decisions.',
      createDefaultStage: false,
      ...(authorization === 'iam' && { defaultAuthorizer: new HttpIamAuthorizer() }),
    });
    this.#authorization = authorization;
    this.addRoutes('Integration', ROUTES, this.function);
    this.stage = new HttpStage(this, 'DefaultStage', {
      httpApi: this.api,
      stageName: '$default',
      autoDeploy: true,
      throttle: { rateLimit: requestsPerSecondMax, burstLimit: burstRequestsMax },
      accessLogSettings: {
        destination: new LogGroupLogDestination(
          new LogGroup(this, 'AccessLog', {
            // Under this prefix AWS needs no entry of its own in the resource policy of all logs, which has a size limit.
            logGroupName: `/aws/vendedlogs/feature-store-${config.stage}-api`,
            retention: config.logRetention,
            removalPolicy: RemovalPolicy.DESTROY,
          }),
        ),
        format: ACCESS_LOG_FORMAT,
      },
    });
  }

  /** Lets a function answer routes, for whoever may call all the others. */
  addRoutes(
    id: string,
    routes: Readonly<Record<string, { readonly method: 'GET' | 'POST'; readonly path: string }>>,
    lambda: NodejsFunction,
  ): void {
    const integration = new HttpLambdaIntegration(id, lambda);
    for (const { method, path } of Object.values(routes)) {
      for (const route of this.api.addRoutes({ path, methods: [HttpMethod[method]], integration })) {
        if (this.#authorization === 'iam') continue;
        Validations.of(route).acknowledge({
          id: 'AwsSolutions-APIG4',
          reason: 'This stage runs in an emulator on one machine, which cannot verify signatures.',
        });
      }
    }
  }
}

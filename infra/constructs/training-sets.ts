import { Duration, Stack, Validations } from 'aws-cdk-lib';
import { CfnWorkGroup } from 'aws-cdk-lib/aws-athena';
import type { IFunction } from 'aws-cdk-lib/aws-lambda';
import { Construct } from 'constructs';
import { MAKE_TRAINING_SET_ENV } from '../../functions/make-training-set/constants.ts';
import { TRAINING_SET_ROUTES } from '../../functions/routes.ts';
import {
  QUERY_RESULTS_PREFIX,
  QUEUED_MILLIS_MAX,
  RUNNING_MILLIS_MAX,
  SCRATCH_PREFIX,
  SPINES_PREFIX,
  TRAINING_SETS_ENV,
  TRAINING_SETS_PREFIX,
} from '../../functions/training-sets/constants.ts';
import { historyPrefixOf } from '../../shared/offline/history-schema.ts';
import type { StageConfig } from '../config.ts';
import type { HistoryStore } from './history-store.ts';
import { NodeFunction } from './node-function.ts';
import type { ServingApi } from './serving-api.ts';
import { importedArnOf, shownArn } from './shown-arn.ts';

export interface TrainingSetsProps {
  readonly history: HistoryStore;
  readonly serving: ServingApi;
  readonly config: StageConfig;
}

/** Training sets by HTTP: one function answers, and has another one make them over the history, by Athena. */
export class TrainingSets extends Construct {
  readonly apiFunction: IFunction;
  readonly makeFunction: IFunction;

  constructor(scope: Construct, id: string, { history, serving, config }: TrainingSetsProps) {
    super(scope, id);
    const { bucket, database } = history;
    const workgroupName = `${config.prefix}-training-sets`;
    const workgroup = trainingWorkgroup(this, workgroupName, { history, config });
    const make = new NodeFunction(this, 'Make', {
      folder: 'make-training-set',
      description: 'Makes training sets from history, by Athena.',
      memoryMegabytes: config.trainingSets.memoryMegabytes,
      timeout: Duration.millis(RUNNING_MILLIS_MAX),
      environment: {
        [MAKE_TRAINING_SET_ENV.historyBucket]: bucket.bucketName,
        [MAKE_TRAINING_SET_ENV.workgroup]: workgroup.ref,
        [MAKE_TRAINING_SET_ENV.database]: database.ref,
        // Emulators answer for Athena with DuckDB, which has its own words for some things and cannot UNLOAD.
        [MAKE_TRAINING_SET_ENV.sqlEngine]: config.endpointUrl === undefined ? 'trino' : 'duckdb',
      },
      config,
    });
    this.makeFunction = make.function;
    this.makeFunction.configureAsyncInvoke({ retryAttempts: 1, maxEventAge: Duration.millis(QUEUED_MILLIS_MAX) });
    grantQueries(make, history, workgroupName);
    grantObjects(make, history, {
      's3:GetObject': [
        ...history.tables.map(({ source }) => historyPrefixOf(source)),
        SPINES_PREFIX,
        TRAINING_SETS_PREFIX,
        SCRATCH_PREFIX,
        QUERY_RESULTS_PREFIX,
      ],
      's3:PutObject': [TRAINING_SETS_PREFIX, SCRATCH_PREFIX, QUERY_RESULTS_PREFIX],
      's3:AbortMultipartUpload': [SCRATCH_PREFIX, QUERY_RESULTS_PREFIX],
      's3:ListMultipartUploadParts': [SCRATCH_PREFIX, QUERY_RESULTS_PREFIX],
    });

    const api = new NodeFunction(this, 'Api', {
      folder: 'training-sets',
      description: 'Answers requests for training sets.',
      memoryMegabytes: 1_024,
      timeout: Duration.seconds(29),
      environment: {
        [TRAINING_SETS_ENV.historyBucket]: bucket.bucketName,
        [TRAINING_SETS_ENV.makeFunction]: this.makeFunction.functionName,
      },
      config,
    });
    this.apiFunction = api.function;
    api.grant(['lambda:InvokeFunction'], [this.makeFunction.functionArn]);
    // Without the right to list the bucket, S3 answers that what does not exist is forbidden.
    api.grant(['s3:ListBucket'], [bucket.bucketArn]);
    grantObjects(api, history, { 's3:GetObject': [TRAINING_SETS_PREFIX], 's3:PutObject': [TRAINING_SETS_PREFIX] });
    serving.addRoutes('TrainingSetsIntegration', TRAINING_SET_ROUTES, this.apiFunction);
  }
}

function trainingWorkgroup(
  scope: Construct,
  name: string,
  { history, config }: Pick<TrainingSetsProps, 'history' | 'config'>,
): CfnWorkGroup {
  return new CfnWorkGroup(scope, 'Workgroup', {
    name,
    description: 'Queries that make training sets.',
    recursiveDeleteOption: true,
    workGroupConfiguration: {
      enforceWorkGroupConfiguration: true,
      publishCloudWatchMetricsEnabled: true,
      bytesScannedCutoffPerQuery: config.trainingSets.bytesScannedMax,
      engineVersion: { selectedEngineVersion: 'Athena engine version 3' },
      resultConfiguration: {
        outputLocation: history.bucket.s3UrlForObject(QUERY_RESULTS_PREFIX),
        encryptionConfiguration: { encryptionOption: 'SSE_S3' },
      },
    },
  });
}

/** Queries in its workgroup over the tables of history, and tables of spines to make and drop. */
function grantQueries(make: NodeFunction, { bucket, database, tables }: HistoryStore, workgroupName: string): void {
  const arn = (service: string, resource: string, resourceName?: string) =>
    Stack.of(make).formatArn({ service, resource, ...(resourceName !== undefined && { resourceName }) });
  make.grant(
    [
      'athena:GetQueryExecution',
      'athena:GetQueryResults',
      'athena:GetQueryResultsStream',
      'athena:StartQueryExecution',
      'athena:StopQueryExecution',
    ],
    [arn('athena', 'workgroup', workgroupName)],
  );
  const catalog = [arn('glue', 'catalog'), arn('glue', 'database', database.ref)];
  const spines = arn('glue', 'table', `${database.ref}/spine_*`);
  const history = tables.map(({ table }) => arn('glue', 'table', `${database.ref}/${table.ref}`));
  make.grant(['glue:GetDatabase', 'glue:GetTable'], [...catalog, ...history, spines]);
  make.grant(['glue:CreateTable', 'glue:DeleteTable'], [...catalog, spines]);
  const importedDatabase = database.stack.resolve(database.stack.exportValue(database.ref))['Fn::ImportValue'];
  Validations.of(make).acknowledge({
    id: `AwsSolutions-IAM5[Resource::${shownArn(Stack.of(make), 'glue', `table/${importedDatabase}/spine_*`)}]`,
    reason: 'Each spine is a table of its own for as long as its query runs.',
  });
  make.grant(['s3:GetBucketLocation', 's3:ListBucket', 's3:ListBucketMultipartUploads'], [bucket.bucketArn]);
}

function grantObjects(
  lambda: NodeFunction,
  { bucket }: HistoryStore,
  prefixesByAction: Readonly<Record<string, readonly string[]>>,
): void {
  for (const [action, prefixes] of Object.entries(prefixesByAction)) {
    for (const prefix of prefixes) {
      lambda.grant([action], [bucket.arnForObjects(`${prefix}*`)]);
      Validations.of(lambda).acknowledge({
        id: `AwsSolutions-IAM5[Resource::${importedArnOf(bucket)}/${prefix}*]`,
        reason:
          'Objects are named by ids, by Firehose or by Athena, so what is meant is a prefix and no list of names.',
      });
    }
  }
}

import { Duration, Stack, Validations } from 'aws-cdk-lib';
import { CfnWorkGroup } from 'aws-cdk-lib/aws-athena';
import { Rule, Schedule } from 'aws-cdk-lib/aws-events';
import { LambdaFunction } from 'aws-cdk-lib/aws-events-targets';
import type { IFunction } from 'aws-cdk-lib/aws-lambda';
import { Construct } from 'constructs';
import { AUDIT_ENV, AUDITS_PREFIX } from '../../functions/audit/constants.ts';
import { QUERY_RESULTS_PREFIX } from '../../functions/training-sets/constants.ts';
import { historyPrefixOf } from '../../shared/offline/history-schema.ts';
import { ROW_LOGS } from '../../shared/offline/row-logs.ts';
import { DUCKDB } from '../../shared/offline/sql/dialect.ts';
import type { StageConfig } from '../config.ts';
import type { HistoryStore } from './history-store.ts';
import { NodeFunction } from './node-function.ts';
import { importedArnOf } from './shown-arn.ts';

/** Rows of a day that are recomputed: what touches one row in a hundred is missed once in 23,000 days. */
const ROWS_MAX = 1_000;

/** When yesterday has landed, UTC. */
const DAILY_AT = { hour: '3', minute: '0' } as const;

/** What one query may read: Athena stops it then, and the audit fails rather than costing more than 1 USD. */
const BYTES_SCANNED_MAX = 200 * 1024 ** 3;

export interface SkewAuditProps {
  readonly history: HistoryStore;
  readonly config: StageConfig;
}

/** Recomputes a sample of what was served yesterday from history, every night. */
export class SkewAudit extends Construct {
  readonly function: IFunction;

  constructor(scope: Construct, id: string, { history, config }: SkewAuditProps) {
    super(scope, id);
    const { bucket, database } = history;
    const workgroupName = `${config.prefix}-audit`;
    const workgroup = auditWorkgroup(this, workgroupName, { history, config });
    const audit = new NodeFunction(this, 'Audit', {
      folder: 'audit',
      description: 'Recomputes a sample of what was served from history, and reports what differs and why.',
      // A processor of its own: it sweeps all events of a thousand entities.
      memoryMegabytes: 1_769,
      timeout: Duration.minutes(15),
      environment: {
        [AUDIT_ENV.workgroup]: workgroup.ref,
        [AUDIT_ENV.database]: database.ref,
        [AUDIT_ENV.historyBucket]: bucket.bucketName,
        [AUDIT_ENV.rowsMax]: String(ROWS_MAX),
        // Emulators answer for Athena with DuckDB, which has its own words for some things.
        ...(config.endpointUrl !== undefined && { [AUDIT_ENV.sqlEngine]: DUCKDB.name }),
      },
      config,
    });
    this.function = audit.function;
    grantQueries(audit, history, workgroupName);
    grantObjects(audit, history, 's3:PutObject', AUDITS_PREFIX);
    new Rule(this, 'Daily', {
      description: 'Audits what was served yesterday.',
      schedule: Schedule.cron(DAILY_AT),
      targets: [new LambdaFunction(this.function, { retryAttempts: 2, maxEventAge: Duration.hours(2) })],
    });
  }
}

/** Of its own, so that what an audit reads is limited and counted apart from what people ask. */
function auditWorkgroup(scope: Construct, name: string, { history, config }: SkewAuditProps): CfnWorkGroup {
  // Athena keeps results for a day, encrypted, and no copy of entities is left in a bucket of ours. Emulators cannot.
  const results =
    config.endpointUrl === undefined
      ? { managedQueryResultsConfiguration: { enabled: true } }
      : { resultConfiguration: { outputLocation: history.bucket.s3UrlForObject(QUERY_RESULTS_PREFIX) } };
  const workgroup = new CfnWorkGroup(scope, 'Workgroup', {
    name,
    description: 'Queries of the skew audit.',
    recursiveDeleteOption: true,
    workGroupConfiguration: {
      enforceWorkGroupConfiguration: true,
      publishCloudWatchMetricsEnabled: true,
      bytesScannedCutoffPerQuery: BYTES_SCANNED_MAX,
      engineVersion: { selectedEngineVersion: 'Athena engine version 3' },
      ...results,
    },
  });
  Validations.of(workgroup).acknowledge({
    id: 'AwsSolutions-ATH1',
    reason: 'Results are managed by Athena, which encrypts them and removes them after a day.',
  });
  return workgroup;
}

function grantQueries(audit: NodeFunction, history: HistoryStore, workgroupName: string): void {
  const { bucket, database, tables, rowTables } = history;
  const arn = (service: string, resource: string, resourceName?: string) =>
    Stack.of(audit).formatArn({ service, resource, ...(resourceName !== undefined && { resourceName }) });
  audit.grant(
    [
      'athena:GetQueryExecution',
      'athena:GetQueryResults',
      'athena:GetQueryResultsStream',
      'athena:StartQueryExecution',
      'athena:StopQueryExecution',
    ],
    [arn('athena', 'workgroup', workgroupName)],
  );
  const read = [rowTables.served, ...tables.map(({ table }) => table)];
  audit.grant(
    ['glue:GetDatabase', 'glue:GetTable'],
    [
      arn('glue', 'catalog'),
      arn('glue', 'database', database.ref),
      ...read.map((table) => arn('glue', 'table', `${database.ref}/${table.ref}`)),
    ],
  );
  audit.grant(['s3:GetBucketLocation', 's3:ListBucket'], [bucket.bucketArn]);
  for (const prefix of [ROW_LOGS.served.prefix, ...tables.map(({ source }) => historyPrefixOf(source))]) {
    grantObjects(audit, history, 's3:GetObject', prefix);
  }
}

function grantObjects(audit: NodeFunction, { bucket }: HistoryStore, action: string, prefix: string): void {
  audit.grant([action], [bucket.arnForObjects(`${prefix}*`)]);
  Validations.of(audit).acknowledge({
    id: `AwsSolutions-IAM5[Resource::${importedArnOf(bucket)}/${prefix}*]`,
    reason: 'Objects are named by date, or by Firehose, so what is meant is a prefix and no list of names.',
  });
}

import { Duration, Stack, Validations } from 'aws-cdk-lib';
import { Rule, Schedule } from 'aws-cdk-lib/aws-events';
import { LambdaFunction } from 'aws-cdk-lib/aws-events-targets';
import type { NodejsFunction } from 'aws-cdk-lib/aws-lambda-nodejs';
import { Construct } from 'constructs';
import { AUDIT_ENV, AUDITS_PREFIX } from '../../functions/audit/constants.ts';
import { historyPrefixOf } from '../../shared/offline/history-schema.ts';
import { ROW_LOGS } from '../../shared/offline/row-logs.ts';
import type { StageConfig } from '../config.ts';
import type { HistoryStore } from './history-store.ts';
import { importedArnOf } from './imported-arn.ts';
import { NodeFunction } from './node-function.ts';

/** Rows of a day that are recomputed: a defect that touches one in a hundred is missed once in twenty thousand days. */
const ROWS_MAX = 1_000;

/** When yesterday has landed, late deliveries included, UTC. */
const DAILY_AT = { hour: '3', minute: '0' } as const;

/** What a query of the audit may run in. */
export interface AuditWorkgroup {
  readonly name: string;
  readonly arn: string;
  /** Where the workgroup puts results in the bucket of history, with a slash at the end. */
  readonly resultsPrefix: string;
}

export interface SkewAuditProps {
  readonly history: HistoryStore;
  readonly workgroup: AuditWorkgroup;
  readonly config: StageConfig;
}

/** Recomputes a sample of what was served yesterday from history, every night. */
export class SkewAudit extends Construct {
  readonly function: NodejsFunction;

  constructor(scope: Construct, id: string, { history, workgroup, config }: SkewAuditProps) {
    super(scope, id);
    const { bucket, database, tables, rowTables } = history;
    const audit = new NodeFunction(this, 'Audit', {
      folder: 'audit',
      description: 'Recomputes a sample of what was served from history, and reports what differs and why.',
      // A processor of its own: it sweeps all events of a thousand entities.
      memoryMegabytes: 1_769,
      timeout: Duration.minutes(15),
      environment: {
        [AUDIT_ENV.workgroup]: workgroup.name,
        [AUDIT_ENV.database]: database.ref,
        [AUDIT_ENV.historyBucket]: bucket.bucketName,
        [AUDIT_ENV.rowsMax]: String(ROWS_MAX),
      },
      config,
    });
    this.function = audit.function;
    audit.grant(
      [
        'athena:GetQueryExecution',
        'athena:GetQueryResults',
        'athena:StartQueryExecution',
        'athena:StopQueryExecution',
      ],
      [workgroup.arn],
    );
    const catalog = (resource: string, resourceName?: string) =>
      Stack.of(this).formatArn({ service: 'glue', resource, ...(resourceName !== undefined && { resourceName }) });
    audit.grant(
      ['glue:GetDatabase', 'glue:GetTable'],
      [
        catalog('catalog'),
        catalog('database', database.ref),
        ...[rowTables.served, ...tables.map(({ table }) => table)].map((table) =>
          catalog('table', `${database.ref}/${table.ref}`),
        ),
      ],
    );
    audit.grant(['s3:GetBucketLocation', 's3:ListBucket'], [bucket.bucketArn]);
    const readable = [ROW_LOGS.served.prefix, ...tables.map(({ source }) => historyPrefixOf(source))];
    for (const prefix of readable) this.#grantObjects(audit, history, ['s3:GetObject'], prefix);
    const results = ['s3:AbortMultipartUpload', 's3:GetObject', 's3:ListMultipartUploadParts', 's3:PutObject'];
    this.#grantObjects(audit, history, results, workgroup.resultsPrefix);
    this.#grantObjects(audit, history, ['s3:PutObject'], AUDITS_PREFIX);
    new Rule(this, 'Daily', {
      description: 'Audits what was served yesterday.',
      schedule: Schedule.cron(DAILY_AT),
      targets: [new LambdaFunction(this.function, { retryAttempts: 2, maxEventAge: Duration.hours(2) })],
    });
  }

  #grantObjects(audit: NodeFunction, { bucket }: HistoryStore, actions: readonly string[], prefix: string): void {
    audit.grant(actions, [bucket.arnForObjects(`${prefix}*`)]);
    Validations.of(audit).acknowledge({
      id: `AwsSolutions-IAM5[Resource::${importedArnOf(bucket)}/${prefix}*]`,
      reason: 'Objects are named by date, by Firehose or by Athena, so what is meant is a prefix and no list of names.',
    });
  }
}

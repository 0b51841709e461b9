/** What all delivery streams into the history have in common, wherever their records come from. */
import { Duration, Size, type Stack, Validations } from 'aws-cdk-lib';
import type { CfnTable } from 'aws-cdk-lib/aws-glue';
import { type IRole, PolicyStatement, Role, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import {
  EnableLogging,
  type IDataProcessor,
  InputFormat,
  ParquetCompression,
  ParquetOutputFormat,
  type S3BucketProps,
  SchemaConfiguration,
} from 'aws-cdk-lib/aws-kinesisfirehose';
import type { LogGroup } from 'aws-cdk-lib/aws-logs';
import { Construct } from 'constructs';
import type { HistoryStore } from './history-store.ts';
import { importedArnOf } from './shown-arn.ts';

/** Queries want few large files, training wants yesterday at the latest: the largest buffer, and the usual five minutes. */
const DELIVERED_AT_ONCE = Size.mebibytes(128);
const DELIVERED_AFTER = Duration.minutes(5);

/** Firehose's own measure of how long it tries again when it cannot partition or write. */
const RETRIED_FOR = Duration.minutes(5);

/** Without a time in the prefix, Firehose appends folders of its own; as part of the name, files stay in their partition. */
const DATE_IN_NAME = '!{timestamp:yyyy-MM-dd}-';

/** JSON rows to Parquet files in the columns of a table, by its partitions. */
export function parquetDestination(delivered: {
  readonly role: IRole;
  readonly table: CfnTable;
  readonly logGroup: LogGroup;
  /** Makes the partition columns known to the prefix. */
  readonly processor: IDataProcessor;
  /** Partition folders included, and how the names of files begin. */
  readonly prefix: string;
  /** Below it, one folder per kind of failure. */
  readonly errorPrefix: string;
}): S3BucketProps {
  return {
    role: delivered.role,
    processors: [delivered.processor],
    dynamicPartitioning: { enabled: true, retryDuration: RETRIED_FOR },
    dataOutputPrefix: `${delivered.prefix}${DATE_IN_NAME}`,
    errorOutputPrefix: `${delivered.errorPrefix}!{firehose:error-output-type}/!{timestamp:yyyy/MM/dd}/`,
    dataFormatConversion: {
      schemaConfiguration: SchemaConfiguration.fromCfnTable(delivered.table),
      // Hive's own reader makes a decimal of the very text that stands in the JSON; the other one reads a double.
      inputFormat: InputFormat.HIVE_JSON,
      outputFormat: new ParquetOutputFormat({ compression: ParquetCompression.SNAPPY }),
    },
    bufferingSize: DELIVERED_AT_ONCE,
    bufferingInterval: DELIVERED_AFTER,
    loggingConfig: new EnableLogging(delivered.logGroup),
  };
}

/** The construct adds a table of Firehose's addresses for security groups, of which there are none here. */
export function removeUnusedAddresses(stack: Stack): void {
  const addresses = stack.node.tryFindChild('@aws-cdk/aws-kinesisfirehose.CidrBlocks');
  if (addresses !== undefined) stack.node.tryRemoveChild(addresses.node.id);
}

interface Grant {
  readonly actions: readonly string[];
  readonly resources: readonly string[];
}

interface DeliveryRoleProps {
  /** What it may do to come by its records. */
  readonly reads: readonly Grant[];
  /** Below which it may write. */
  readonly prefixes: readonly string[];
  readonly history: HistoryStore;
  readonly table: CfnTable;
  readonly logGroup: LogGroup;
}

/** What Firehose may do for one delivery: come by its records, look up its table, write below its prefixes. */
export class DeliveryRole extends Construct {
  readonly role: Role;

  constructor(scope: Construct, id: string, { reads, prefixes, history, table, logGroup }: DeliveryRoleProps) {
    super(scope, id);
    const { bucket, database } = history;
    this.role = new Role(this, 'Role', { assumedBy: new ServicePrincipal('firehose.amazonaws.com') });
    for (const grant of reads) this.#grant(grant);
    const catalog = (resource: string, resourceName?: string) =>
      bucket.stack.formatArn({ service: 'glue', resource, ...(resourceName !== undefined && { resourceName }) });
    this.#grant({
      actions: ['glue:GetTable', 'glue:GetTableVersion', 'glue:GetTableVersions'],
      resources: [
        catalog('catalog'),
        catalog('database', database.ref),
        catalog('table', `${database.ref}/${table.ref}`),
      ],
    });
    this.#grant({ actions: ['logs:PutLogEvents'], resources: [logGroup.logGroupArn] });
    this.#grant({
      actions: ['s3:GetBucketLocation', 's3:ListBucket', 's3:ListBucketMultipartUploads'],
      resources: [bucket.bucketArn],
    });
    for (const prefix of prefixes) {
      this.#grant({
        actions: ['s3:AbortMultipartUpload', 's3:GetObject', 's3:PutObject'],
        resources: [bucket.arnForObjects(`${prefix}*`)],
      });
      Validations.of(this).acknowledge({
        id: `AwsSolutions-IAM5[Resource::${importedArnOf(bucket)}/${prefix}*]`,
        reason: 'Firehose names the objects, so what may be put is a prefix and not a list of names.',
      });
    }
  }

  #grant({ actions, resources }: Grant): void {
    this.role.addToPolicy(new PolicyStatement({ actions: [...actions], resources: [...resources] }));
  }
}

import { Duration, RemovalPolicy, Size, Stack, Validations } from 'aws-cdk-lib';
import { PolicyStatement, Role, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import {
  DeliveryStream,
  EnableLogging,
  InputFormat,
  KinesisStreamSource,
  LambdaFunctionProcessor,
  ParquetCompression,
  ParquetOutputFormat,
  S3Bucket,
  SchemaConfiguration,
} from 'aws-cdk-lib/aws-kinesisfirehose';
import type { NodejsFunction } from 'aws-cdk-lib/aws-lambda-nodejs';
import { LogGroup } from 'aws-cdk-lib/aws-logs';
import type { IBucket } from 'aws-cdk-lib/aws-s3';
import { Construct } from 'constructs';
import { LAND_EVENTS_ENV } from '../../functions/land-events/constants.ts';
import type { EventSource } from '../../shared/definitions/source.ts';
import { historyErrorPrefixOf, historyPrefixOf } from '../../shared/offline/history-schema.ts';
import type { StageConfig } from '../config.ts';
import type { SourceStream } from '../stateful-stack.ts';
import { type HistoryStore, type HistoryTable, partitionPath } from './history-store.ts';
import { importedArnOf } from './imported-arn.ts';
import { NodeFunction } from './node-function.ts';

/**
 * Lambda takes and returns at most 6 MB, and in base64 with all that is said of a record, small events grow the most: a
 * batch of this size of events of 90 bytes is a request of 5.1 MB and an answer of 4.0 MB.
 */
const TRANSFORMED_AT_ONCE = Size.mebibytes(1);
const TRANSFORMED_AFTER = Duration.seconds(60);

/** Queries want few large files, training wants yesterday at the latest: the largest buffer, and the usual five minutes. */
const DELIVERED_AT_ONCE = Size.mebibytes(128);
const DELIVERED_AFTER = Duration.minutes(5);

/** Firehose's own measure of how long it tries again when it cannot partition or write. */
const RETRIED_FOR = Duration.minutes(5);

export interface HistoryLandingProps extends SourceStream {
  readonly history: HistoryStore;
  readonly config: StageConfig;
}

/** Lands the events of one source in the history: stream → rows → Parquet, by day and hour of the event. */
export class HistoryLanding extends Construct {
  readonly function: NodejsFunction;
  readonly deliveryStream: DeliveryStream;

  constructor(scope: Construct, id: string, { source, stream, history, config }: HistoryLandingProps) {
    super(scope, id);
    this.function = new NodeFunction(this, 'LandEvents', {
      folder: 'land-events',
      description: `Lands the events of ${source.name} in the history.`,
      memoryMegabytes: 512,
      timeout: Duration.seconds(60),
      environment: { [LAND_EVENTS_ENV.sourceName]: source.name },
      config,
    }).function;
    const logGroup = new LogGroup(this, 'DeliveryLog', {
      retention: config.logRetention,
      removalPolicy: RemovalPolicy.DESTROY,
    });
    const { table } = historyTableOf(history, source);
    const delivery = new DeliveryRole(this, 'DeliveryRole', {
      source,
      stream,
      history,
      table,
      logGroup,
      function: this.function,
    });
    // The constructs of CDK would grant it more than it uses, such as deleting what it has landed.
    const role = delivery.role.withoutPolicyUpdates();
    this.deliveryStream = new DeliveryStream(this, 'Delivery', {
      source: new KinesisStreamSource(stream),
      role,
      // `Bucket` implements `IBucket` but for properties that may be undefined, which our compiler options tell apart.
      destination: new S3Bucket(history.bucket as IBucket, {
        role,
        processors: [
          new LambdaFunctionProcessor(this.function, {
            bufferSize: TRANSFORMED_AT_ONCE,
            bufferInterval: TRANSFORMED_AFTER,
          }),
        ],
        dynamicPartitioning: { enabled: true, retryDuration: RETRIED_FOR },
        dataOutputPrefix: `${historyPrefixOf(source)}${partitionPath(valueFromFunction)}${FILE_NAME_BEGINNING}`,
        errorOutputPrefix: `${historyErrorPrefixOf(source)}!{firehose:error-output-type}/!{timestamp:yyyy/MM/dd}/`,
        dataFormatConversion: {
          schemaConfiguration: SchemaConfiguration.fromCfnTable(table),
          // Hive's own reader makes a decimal of the very text that stands in the JSON; the other one reads a double.
          inputFormat: InputFormat.HIVE_JSON,
          outputFormat: new ParquetOutputFormat({ compression: ParquetCompression.SNAPPY }),
        },
        bufferingSize: DELIVERED_AT_ONCE,
        bufferingInterval: DELIVERED_AFTER,
        loggingConfig: new EnableLogging(logGroup),
      }),
    });
    // Firehose reads the stream as soon as it exists, and may not do so before its role has its policy.
    this.deliveryStream.node.addDependency(delivery);
    removeUnusedAddresses(Stack.of(this));
    Validations.of(this.deliveryStream).acknowledge({
      id: 'AwsSolutions-KDF1',
      reason: 'Its source is an encrypted stream; Firehose refuses an encryption of its own then, and keeps that one.',
    });
  }
}

/** The construct adds a table of Firehose's addresses for security groups, of which there are none here. */
function removeUnusedAddresses(stack: Stack): void {
  const addresses = stack.node.tryFindChild('@aws-cdk/aws-kinesisfirehose.CidrBlocks');
  if (addresses !== undefined) stack.node.tryRemoveChild(addresses.node.id);
}

/** Without a time in the prefix, Firehose appends folders of its own; as part of the name, files stay in their partition. */
const FILE_NAME_BEGINNING = 'landed-!{timestamp:yyyy-MM-dd}-';

function valueFromFunction(column: string): string {
  return `!{partitionKeyFromLambda:${column}}`;
}

function historyTableOf({ tables }: HistoryStore, { name }: EventSource): HistoryTable {
  const found = tables.find(({ source }) => source.name === name);
  if (found === undefined) throw new Error(`History has no table for the source ${name}`);
  return found;
}

interface DeliveryRoleProps extends SourceStream, Pick<HistoryTable, 'table'> {
  readonly history: HistoryStore;
  readonly logGroup: LogGroup;
  readonly function: NodejsFunction;
}

/** What Firehose may do for one source: read its stream, ask its function, look up its table, write below its prefixes. */
class DeliveryRole extends Construct {
  readonly role: Role;

  constructor(scope: Construct, id: string, props: DeliveryRoleProps) {
    super(scope, id);
    const { source, stream, history, table, logGroup, function: lambda } = props;
    const { bucket, database } = history;
    this.role = new Role(this, 'Role', { assumedBy: new ServicePrincipal('firehose.amazonaws.com') });
    this.#grant(
      ['kinesis:DescribeStream', 'kinesis:GetRecords', 'kinesis:GetShardIterator', 'kinesis:ListShards'],
      [stream.streamArn],
    );
    const { functionArn } = lambda;
    this.#grant(['lambda:GetFunctionConfiguration', 'lambda:InvokeFunction'], [functionArn, `${functionArn}:$LATEST`]);
    const catalog = (resource: string, resourceName?: string) =>
      bucket.stack.formatArn({ service: 'glue', resource, ...(resourceName !== undefined && { resourceName }) });
    this.#grant(
      ['glue:GetTable', 'glue:GetTableVersion', 'glue:GetTableVersions'],
      [catalog('catalog'), catalog('database', database.ref), catalog('table', `${database.ref}/${table.ref}`)],
    );
    this.#grant(['logs:PutLogEvents'], [logGroup.logGroupArn]);
    this.#grant(['s3:GetBucketLocation', 's3:ListBucket', 's3:ListBucketMultipartUploads'], [bucket.bucketArn]);
    for (const prefix of [historyPrefixOf(source), historyErrorPrefixOf(source)]) {
      this.#grant(['s3:AbortMultipartUpload', 's3:GetObject', 's3:PutObject'], [bucket.arnForObjects(`${prefix}*`)]);
      Validations.of(this).acknowledge({
        id: `AwsSolutions-IAM5[Resource::${importedArnOf(bucket)}/${prefix}*]`,
        reason: 'Firehose names the objects, so what may be put is a prefix and not a list of names.',
      });
    }
  }

  #grant(actions: readonly string[], resources: readonly string[]): void {
    this.role.addToPolicy(new PolicyStatement({ actions: [...actions], resources: [...resources] }));
  }
}

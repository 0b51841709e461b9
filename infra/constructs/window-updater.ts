import { Duration, Stack, Validations } from 'aws-cdk-lib';
import type { Table } from 'aws-cdk-lib/aws-dynamodb';
import type { IFunction } from 'aws-cdk-lib/aws-lambda';
import { EventSourceMapping, MetricType, StartingPosition } from 'aws-cdk-lib/aws-lambda';
import type { Bucket } from 'aws-cdk-lib/aws-s3';
import { Construct } from 'constructs';
import { ENV } from '../../functions/constants.ts';
import { UPDATE_WINDOWS_ENV } from '../../functions/update-windows/constants.ts';
import type { EventSource } from '../../shared/definitions/source.ts';
import type { StageConfig } from '../config.ts';
import type { SourceStream } from '../stateful-stack.ts';
import { NodeFunction } from './node-function.ts';
import { grantRows, type RowIntake, rowEnvironment } from './row-delivery.ts';
import { importedArnOf } from './shown-arn.ts';

/** Events of one entity that meet in a batch cost one write together, so a busy shard gains from large batches. */
const BATCH_RECORDS_MAX = 500;

/**
 * A record fails again and again only while the store is out of reach: events that no retry can help are quarantined
 * by the function itself. So retries are many, and the shard waits rather than counts out of order; but what makes
 * the function crash must not hold the records behind it for a day.
 */
const RETRIES_MAX = 30;
const RECORD_AGE_MAX = Duration.hours(12);

/** Lambda itself chooses this prefix for batches that it gives up: `aws/lambda/<mapping>/<shard>/…`. */
const GIVEN_UP_BATCHES_PREFIX = 'aws/lambda/';

/** Below this prefix the function puts records of a source that cannot be counted. */
export function quarantinePrefixOf({ name }: EventSource): string {
  return `quarantine/${name}/`;
}

export interface WindowUpdaterProps extends SourceStream {
  readonly onlineTable: Table;
  readonly quarantineBucket: Bucket;
  /** Where features are kept as they become; none where history is not landed. */
  readonly rowDeliveries: readonly RowIntake[];
  readonly config: StageConfig;
}

/** The consumer of one source's stream: applies each event once to the items of every view of that source. */
export class WindowUpdater extends Construct {
  readonly function: IFunction;
  readonly mapping: EventSourceMapping;

  constructor(scope: Construct, id: string, props: WindowUpdaterProps) {
    super(scope, id);
    const { source, stream, onlineTable, quarantineBucket, rowDeliveries, config } = props;
    const consumer = new NodeFunction(this, 'UpdateWindows', {
      folder: 'update-windows',
      description: `Updates window counters from the events of ${source.name}.`,
      memoryMegabytes: config.consumer.memoryMegabytes,
      timeout: Duration.seconds(60),
      environment: {
        [ENV.tableName]: onlineTable.tableName,
        [UPDATE_WINDOWS_ENV.sourceName]: source.name,
        [UPDATE_WINDOWS_ENV.quarantineBucket]: quarantineBucket.bucketName,
        ...rowEnvironment(Stack.of(this), rowDeliveries),
      },
      config,
    });
    this.function = consumer.function;
    grantRows(consumer, rowDeliveries);
    consumer.grant(['dynamodb:UpdateItem', 'dynamodb:GetItem', 'dynamodb:BatchGetItem'], [onlineTable.tableArn]);
    consumer.grant(
      [
        'kinesis:DescribeStream',
        'kinesis:DescribeStreamSummary',
        'kinesis:GetRecords',
        'kinesis:GetShardIterator',
        'kinesis:ListShards',
      ],
      [stream.streamArn],
    );
    // Lambda delivers given-up batches with the role of the function, and checks that it can list the bucket.
    consumer.grant(['s3:ListBucket'], [quarantineBucket.bucketArn]);
    for (const prefix of [GIVEN_UP_BATCHES_PREFIX, quarantinePrefixOf(source)]) {
      consumer.grant(['s3:PutObject'], [quarantineBucket.arnForObjects(`${prefix}*`)]);
      Validations.of(consumer).acknowledge({
        id: `AwsSolutions-IAM5[Resource::${importedArnOf(quarantineBucket)}/${prefix}*]`,
        reason: 'Objects are named after their records, so what may be put is a prefix and not a list of names.',
      });
    }

    this.mapping = new EventSourceMapping(this, 'Mapping', {
      target: this.function,
      eventSourceArn: stream.streamArn,
      enabled: config.consumer.enabled,
      startingPosition: StartingPosition.TRIM_HORIZON,
      // No batching window: its unit is a second, and freshness is worth more than fewer invocations.
      batchSize: BATCH_RECORDS_MAX,
      parallelizationFactor: config.consumer.parallelizationFactor,
      reportBatchItemFailures: true,
      bisectBatchOnError: true,
      retryAttempts: RETRIES_MAX,
      maxRecordAge: RECORD_AGE_MAX,
      // Not S3OnFailureDestination: it grants reading and deleting the whole bucket.
      onFailure: { bind: () => ({ destination: quarantineBucket.bucketArn }) },
      supportS3OnFailureDestination: true,
      metricsConfig: { metrics: [MetricType.EVENT_COUNT] },
    });
  }
}

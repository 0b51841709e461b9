import { RemovalPolicy, Stack } from 'aws-cdk-lib';
import type { CfnTable } from 'aws-cdk-lib/aws-glue';
import {
  DeliveryStream,
  MetadataExtractionProcessor,
  S3Bucket,
  StreamEncryption,
} from 'aws-cdk-lib/aws-kinesisfirehose';
import { LogGroup } from 'aws-cdk-lib/aws-logs';
import type { IBucket } from 'aws-cdk-lib/aws-s3';
import { Construct } from 'constructs';
import { ENV } from '../../functions/constants.ts';
import type { HistoryDelivery } from '../../shared/offline/deliveries.ts';
import { PARTITION } from '../../shared/offline/history-schema.ts';
import type { StageConfig } from '../config.ts';
import { type HistoryStore, partitionPath } from './history-store.ts';
import type { NodeFunction } from './node-function.ts';
import { DeliveryRole, parquetDestination, removeUnusedAddresses } from './parquet-delivery.ts';

/** Where functions hand over the rows of a table. */
export interface RowIntake {
  /** Known to functions before anything is deployed. */
  readonly tableName: string;
  readonly streamName: string;
  /** None of a lander of a local run, which asks nobody for permission. */
  readonly streamArn?: string;
}

export interface RowDeliveryProps {
  readonly delivery: HistoryDelivery;
  readonly table: CfnTable;
  readonly history: HistoryStore;
  readonly config: StageConfig;
}

/**
 * Lands rows that functions hand over themselves: JSON → Parquet, by day and hour.
 *
 * Rows bring the values of their partition columns along. Inline expressions of jq take them from there, so no function
 * runs on the way; the table has no such columns in its files, and the reader of JSON passes over them.
 */
export class RowDelivery extends Construct implements RowIntake {
  readonly tableName: string;
  readonly streamName: string;
  readonly streamArn: string;
  readonly deliveryStream: DeliveryStream;

  constructor(scope: Construct, id: string, props: RowDeliveryProps) {
    super(scope, id);
    const { table, history, config } = props;
    const { schema, prefix, errorPrefix, fileNameBeginning } = props.delivery;
    this.tableName = schema.tableName;
    const logGroup = new LogGroup(this, 'DeliveryLog', {
      retention: config.logRetention,
      removalPolicy: RemovalPolicy.DESTROY,
    });
    const prefixes = [prefix, errorPrefix];
    const delivery = new DeliveryRole(this, 'DeliveryRole', { reads: [], prefixes, history, table, logGroup });
    const role = delivery.role.withoutPolicyUpdates();
    const columns = Object.values(PARTITION);
    this.deliveryStream = new DeliveryStream(this, 'Delivery', {
      role,
      encryption: StreamEncryption.awsOwnedKey(),
      // `Bucket` implements `IBucket` but for properties that may be undefined, which our compiler options tell apart.
      destination: new S3Bucket(
        history.bucket as IBucket,
        parquetDestination({
          role,
          table,
          logGroup,
          processor: MetadataExtractionProcessor.jq16(
            Object.fromEntries(columns.map((column) => [column, `.${column}`])),
          ),
          prefix: `${prefix}${partitionPath((column) => `!{partitionKeyFromQuery:${column}}`)}${fileNameBeginning}`,
          errorPrefix,
        }),
      ),
    });
    this.streamName = this.deliveryStream.deliveryStreamName;
    this.streamArn = this.deliveryStream.deliveryStreamArn;
    // Firehose takes rows as soon as it exists, and could not write them before its role has its policy.
    this.deliveryStream.node.addDependency(delivery);
    removeUnusedAddresses(Stack.of(this));
  }
}

/** What a function needs to know to hand rows over; nothing where there is nobody to take them. */
export function rowEnvironment(stack: Stack, intakes: readonly RowIntake[]): Readonly<Record<string, string>> {
  if (intakes.length === 0) return {};
  const names = intakes.map(({ tableName, streamName }) => [tableName, streamName]);
  return { [ENV.rowStreamNames]: stack.toJsonString(Object.fromEntries(names)) };
}

export function grantRows(to: NodeFunction, intakes: readonly RowIntake[]): void {
  const arns = intakes.flatMap(({ streamArn }) => streamArn ?? []);
  if (arns.length > 0) to.grant(['firehose:PutRecordBatch'], arns);
}

import { Duration, RemovalPolicy, Size, Stack, Validations } from 'aws-cdk-lib';
import {
  DeliveryStream,
  KinesisStreamSource,
  LambdaFunctionProcessor,
  S3Bucket,
} from 'aws-cdk-lib/aws-kinesisfirehose';
import type { IFunction } from 'aws-cdk-lib/aws-lambda';
import { LogGroup } from 'aws-cdk-lib/aws-logs';
import type { IBucket } from 'aws-cdk-lib/aws-s3';
import { Construct } from 'constructs';
import { LAND_EVENTS_ENV } from '../../functions/land-events/constants.ts';
import type { EventSource } from '../../shared/definitions/source.ts';
import { streamDelivery } from '../../shared/offline/deliveries.ts';
import type { StageConfig } from '../config.ts';
import type { SourceStream } from '../stateful-stack.ts';
import { type HistoryStore, type HistoryTable, partitionPath } from './history-store.ts';
import { NodeFunction } from './node-function.ts';
import { DeliveryRole, parquetDestination, removeUnusedAddresses } from './parquet-delivery.ts';

/**
 * Lambda takes and returns at most 6 MB, and in base64 with all that is said of a record, small events grow the most: a
 * batch of this size of events of 90 bytes is a request of 5.1 MB and an answer of 4.0 MB.
 */
const TRANSFORMED_AT_ONCE = Size.mebibytes(1);
const TRANSFORMED_AFTER = Duration.seconds(60);

export interface HistoryLandingProps extends SourceStream {
  readonly history: HistoryStore;
  readonly config: StageConfig;
}

/** Lands the events of one source in the history: stream → rows → Parquet, by day and hour of the event. */
export class HistoryLanding extends Construct {
  readonly function: IFunction;
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
    const { prefix, errorPrefix, fileNameBeginning } = streamDelivery(source);
    const { functionArn } = this.function;
    const delivery = new DeliveryRole(this, 'DeliveryRole', {
      reads: [
        {
          actions: ['kinesis:DescribeStream', 'kinesis:GetRecords', 'kinesis:GetShardIterator', 'kinesis:ListShards'],
          resources: [stream.streamArn],
        },
        {
          actions: ['lambda:GetFunctionConfiguration', 'lambda:InvokeFunction'],
          resources: [functionArn, `${functionArn}:$LATEST`],
        },
      ],
      prefixes: [prefix, errorPrefix],
      history,
      table,
      logGroup,
    });
    // The constructs of CDK would grant it more than it uses, such as deleting what it has landed.
    const role = delivery.role.withoutPolicyUpdates();
    const transformation = new LambdaFunctionProcessor(this.function, {
      bufferSize: TRANSFORMED_AT_ONCE,
      bufferInterval: TRANSFORMED_AFTER,
    });
    this.deliveryStream = new DeliveryStream(this, 'Delivery', {
      source: new KinesisStreamSource(stream),
      role,
      // `Bucket` implements `IBucket` but for properties that may be undefined, which our compiler options tell apart.
      destination: new S3Bucket(
        history.bucket as IBucket,
        parquetDestination({
          role,
          table,
          logGroup,
          processor: transformation,
          prefix: `${prefix}${partitionPath((column) => `!{partitionKeyFromLambda:${column}}`)}${fileNameBeginning}`,
          errorPrefix,
        }),
      ),
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

function historyTableOf({ tables }: HistoryStore, { name }: EventSource): HistoryTable {
  const found = tables.find(({ source }) => source.name === name);
  if (found === undefined) throw new Error(`History has no table for the source ${name}`);
  return found;
}

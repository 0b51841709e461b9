import { Stream, StreamEncryption, StreamMode } from 'aws-cdk-lib/aws-kinesis';
import { Construct } from 'constructs';
import type { StageConfig } from '../config.ts';
import { removalPolicyOf } from './removal.ts';

/** The stream that carries the events of one source. */
export class EventStream extends Construct {
  readonly stream: Stream;

  constructor(scope: Construct, id: string, props: { readonly retainData: boolean } & StageConfig['stream']) {
    super(scope, id);
    const { capacity, retention } = props;
    this.stream = new Stream(this, 'Stream', {
      ...(capacity.mode === 'provisioned'
        ? { streamMode: StreamMode.PROVISIONED, shardCount: capacity.shardCount }
        : { streamMode: StreamMode.ON_DEMAND }),
      retentionPeriod: retention,
      // A key of our own would add a charge and a throttled call per shard without keeping anyone else out.
      encryption: StreamEncryption.MANAGED,
      removalPolicy: removalPolicyOf(props),
    });
  }
}

import { CfnOutput, Stack, type StackProps } from 'aws-cdk-lib';
import type { Table } from 'aws-cdk-lib/aws-dynamodb';
import type { IStream } from 'aws-cdk-lib/aws-kinesis';
import type { Bucket } from 'aws-cdk-lib/aws-s3';
import type { Construct } from 'constructs';
import type { EventSource } from '../shared/definitions/source.ts';
import type { FeatureRepository } from '../shared/registry/manifest.ts';
import type { StageConfig } from './config.ts';
import { DecisionsBucket } from './constructs/decisions-bucket.ts';
import { EventStream } from './constructs/event-stream.ts';
import { HistoryStore } from './constructs/history-store.ts';
import { OnlineTable } from './constructs/online-table.ts';
import { QuarantineBucket } from './constructs/quarantine-bucket.ts';

/** One source and the stream that carries its events. */
export interface SourceStream {
  readonly source: EventSource;
  readonly stream: IStream;
}

export interface StatefulStackProps extends StackProps {
  readonly config: StageConfig;
  readonly repository: FeatureRepository;
}

/** What holds data. Deployed first, changed rarely; nothing in it is replaced by a release of code. */
export class StatefulStack extends Stack {
  readonly onlineTable: Table;
  readonly streams: readonly SourceStream[];
  readonly quarantineBucket: Bucket;
  readonly history: HistoryStore;
  readonly decisionsBucket: Bucket;

  constructor(scope: Construct, id: string, { config, repository, ...props }: StatefulStackProps) {
    super(scope, id, props);
    const { retainData } = config;
    this.onlineTable = new OnlineTable(this, 'OnlineTable', { retainData }).table;
    this.streams = repository.sources.map((source) => ({
      source,
      stream: new EventStream(this, `Stream-${source.name}`, { retainData, ...config.stream }).stream,
    }));
    this.quarantineBucket = new QuarantineBucket(this, 'Quarantine', { retainData }).bucket;
    // In every stage: where landing is switched off, what was landed before stays.
    this.history = new HistoryStore(this, 'History', {
      prefix: config.prefix,
      retainData,
      sources: repository.sources,
    });
    this.decisionsBucket = new DecisionsBucket(this, 'Decisions', { retainData }).bucket;

    new CfnOutput(this, 'OnlineTableName', { value: this.onlineTable.tableName });
    new CfnOutput(this, 'QuarantineBucketName', { value: this.quarantineBucket.bucketName });
    new CfnOutput(this, 'HistoryBucketName', { value: this.history.bucket.bucketName });
    new CfnOutput(this, 'HistoryDatabaseName', { value: this.history.database.ref });
    new CfnOutput(this, 'DecisionsBucketName', { value: this.decisionsBucket.bucketName });
    new CfnOutput(this, 'StreamNames', {
      description: 'JSON: source name to stream name.',
      value: this.toJsonString(
        Object.fromEntries(this.streams.map(({ source, stream }) => [source.name, stream.streamName])),
      ),
    });
  }
}

import { Aws, Duration } from 'aws-cdk-lib';
import { CfnDatabase, CfnTable } from 'aws-cdk-lib/aws-glue';
import { Bucket, type IBucket, StorageClass } from 'aws-cdk-lib/aws-s3';
import { Construct } from 'constructs';
import type { EventSource } from '../../shared/definitions/source.ts';
import { LIMITS } from '../../shared/limits.ts';
import {
  HISTORY_ERRORS_PREFIX,
  HISTORY_PREFIX,
  type HistoryColumn,
  historyPrefixOf,
  historySchema,
  PARTITION,
} from '../../shared/offline/history-schema.ts';
import type { Stage } from '../config.ts';
import { accessLogsBucket, privateBucketProps } from './private-bucket.ts';
import { removalPolicyOf } from './removal.ts';

/** Training looks at recent months again and again, at older ones now and then. */
const READ_OFTEN_FOR = Duration.days(90);
/** As long as the quarantine: time to repair and replay, and then personal data goes. */
const ERRORS_KEPT_FOR = Duration.days(90);

/** The table of one source's events. */
export interface HistoryTable {
  readonly source: EventSource;
  readonly table: CfnTable;
}

export interface HistoryStoreProps {
  readonly stage: Stage;
  readonly retainData: boolean;
  readonly sources: readonly EventSource[];
}

/** All events that ever arrived, as Parquet in a bucket, and the tables that queries see in it. */
export class HistoryStore extends Construct {
  readonly bucket: Bucket;
  readonly database: CfnDatabase;
  readonly tables: readonly HistoryTable[];

  constructor(scope: Construct, id: string, { stage, sources, ...props }: HistoryStoreProps) {
    super(scope, id);
    this.bucket = new Bucket(this, 'Bucket', {
      ...privateBucketProps(props),
      // What was landed is the truth from which everything is computed again: a mistaken deletion must be undone.
      versioned: true,
      // `Bucket` implements `IBucket` but for `policy?: undefined`, which this project's compiler options tell apart.
      serverAccessLogsBucket: accessLogsBucket(this, 'AccessLogs', props) as IBucket,
      lifecycleRules: [
        { noncurrentVersionExpiration: Duration.days(30), abortIncompleteMultipartUploadAfter: Duration.days(1) },
        {
          prefix: HISTORY_PREFIX,
          transitions: [{ storageClass: StorageClass.INFREQUENT_ACCESS, transitionAfter: READ_OFTEN_FOR }],
        },
        { prefix: HISTORY_ERRORS_PREFIX, expiration: ERRORS_KEPT_FOR },
      ],
    });
    this.database = new CfnDatabase(this, 'Database', {
      catalogId: Aws.ACCOUNT_ID,
      databaseInput: { name: `feature_store_${stage}`, description: 'History of events: one table per source.' },
    });
    this.database.applyRemovalPolicy(removalPolicyOf(props));
    this.tables = sources.map((source) => {
      const table = historyTable(this, source, this.database, this.bucket);
      table.applyRemovalPolicy(removalPolicyOf(props));
      return { source, table };
    });
  }
}

/** Not `S3Table`: it hides the resource to which the delivery stream's schema refers. */
function historyTable(scope: Construct, source: EventSource, database: CfnDatabase, bucket: Bucket): CfnTable {
  const { tableName, columns, partitionColumns } = historySchema(source);
  const location = bucket.s3UrlForObject(historyPrefixOf(source));
  return new CfnTable(scope, `Table-${source.name}`, {
    catalogId: Aws.ACCOUNT_ID,
    databaseName: database.ref,
    tableInput: {
      name: tableName,
      description: source.description,
      owner: source.owner,
      tableType: 'EXTERNAL_TABLE',
      partitionKeys: partitionColumns.map(glueColumnOf),
      parameters: { classification: 'parquet', EXTERNAL: 'TRUE', ...projectionOf(location) },
      storageDescriptor: {
        location,
        columns: columns.map(glueColumnOf),
        inputFormat: 'org.apache.hadoop.hive.ql.io.parquet.MapredParquetInputFormat',
        outputFormat: 'org.apache.hadoop.hive.ql.io.parquet.MapredParquetOutputFormat',
        serdeInfo: { serializationLibrary: 'org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe' },
      },
    },
  });
}

function glueColumnOf({ name, hiveType }: HistoryColumn): CfnTable.ColumnProperty {
  return { name, type: hiveType };
}

/**
 * Partitions are computed from a query's conditions: none has to be registered, and no crawler runs. The dates reach from the
 * oldest event time that is accepted to the day after today, which events of clocks that are ahead may have; so nothing
 * that was landed is invisible, and a query should say which dates it wants.
 */
function projectionOf(location: string): Readonly<Record<string, string>> {
  const oldestDate = new Date(LIMITS.earliestEventTimeMillis).toISOString().slice(0, 10);
  const projection = (column: string, settings: Readonly<Record<string, string>>) =>
    Object.fromEntries(Object.entries(settings).map(([name, value]) => [`projection.${column}.${name}`, value]));
  return {
    'projection.enabled': 'true',
    ...projection(PARTITION.date, {
      type: 'date',
      format: 'yyyy-MM-dd',
      range: `${oldestDate},NOW+1DAYS`,
      interval: '1',
      'interval.unit': 'DAYS',
    }),
    ...projection(PARTITION.hour, { type: 'integer', range: '0,23', digits: '2' }),
    'storage.location.template': `${location}${partitionPath((column) => `\${${column}}`)}`,
  };
}

/** `event_date=…/event_hour=…/` with what a template writes for the value of a column. */
export function partitionPath(placeholder: (column: string) => string): string {
  return Object.values(PARTITION)
    .map((column) => `${column}=${placeholder(column)}/`)
    .join('');
}

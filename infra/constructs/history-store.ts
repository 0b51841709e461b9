import { Aws, Duration } from 'aws-cdk-lib';
import { CfnDatabase, CfnTable } from 'aws-cdk-lib/aws-glue';
import { Bucket, type IBucket, StorageClass } from 'aws-cdk-lib/aws-s3';
import { Construct } from 'constructs';
import { QUERY_RESULTS_PREFIX, SCRATCH_PREFIX, TRAINING_SETS_PREFIX } from '../../functions/training-sets/constants.ts';
import type { EventSource } from '../../shared/definitions/source.ts';
import { LIMITS } from '../../shared/limits.ts';
import {
  HISTORY_ERRORS_PREFIX,
  HISTORY_PREFIX,
  type HistoryColumn,
  type HistorySchema,
  historyPrefixOf,
  historySchema,
  PARTITION,
} from '../../shared/offline/history-schema.ts';
import { ROW_LOGS, type RowLogName } from '../../shared/offline/row-logs.ts';
import { accessLogsBucket, privateBucketProps } from './private-bucket.ts';
import { removalPolicyOf } from './removal.ts';

/** Training looks at recent months again and again, at older ones now and then. */
const READ_OFTEN_FOR = Duration.days(90);
/** As long as the quarantine: time to repair and replay, and then personal data goes. */
const ERRORS_KEPT_FOR = Duration.days(90);
/** A training set can be made again from its spine, which its owner keeps; and it is about people. */
const TRAINING_SETS_KEPT_FOR = Duration.days(90);
const QUERY_RESULTS_KEPT_FOR = Duration.days(7);
const SCRATCH_KEPT_FOR = Duration.days(1);

/** The table of one source's events. */
export interface HistoryTable {
  readonly source: EventSource;
  readonly table: CfnTable;
}

export interface HistoryStoreProps {
  readonly prefix: string;
  readonly retainData: boolean;
  readonly sources: readonly EventSource[];
}

/** All events that ever arrived and all that was said of them, as Parquet in a bucket, and the tables that queries see in it. */
export class HistoryStore extends Construct {
  readonly bucket: Bucket;
  readonly database: CfnDatabase;
  readonly tables: readonly HistoryTable[];
  /** Of what the product says. */
  readonly rowTables: Readonly<Record<RowLogName, CfnTable>>;

  constructor(scope: Construct, id: string, { prefix, sources, ...props }: HistoryStoreProps) {
    super(scope, id);
    this.bucket = new Bucket(this, 'Bucket', {
      ...privateBucketProps(props),
      // What was landed is the truth from which everything is computed again: a mistaken deletion must be undone.
      versioned: true,
      // `Bucket` implements `IBucket` but for `policy?: undefined`, which this project's compiler options tell apart.
      serverAccessLogsBucket: accessLogsBucket(this, 'AccessLogs', props) as IBucket,
      lifecycleRules: [
        { noncurrentVersionExpiration: Duration.days(30), abortIncompleteMultipartUploadAfter: Duration.days(1) },
        ...[HISTORY_PREFIX, ...Object.values(ROW_LOGS).map(({ prefix }) => prefix)].map((prefix) => ({
          prefix,
          transitions: [{ storageClass: StorageClass.INFREQUENT_ACCESS, transitionAfter: READ_OFTEN_FOR }],
        })),
        { prefix: HISTORY_ERRORS_PREFIX, expiration: ERRORS_KEPT_FOR },
        { prefix: TRAINING_SETS_PREFIX, expiration: TRAINING_SETS_KEPT_FOR },
        { prefix: QUERY_RESULTS_PREFIX, expiration: QUERY_RESULTS_KEPT_FOR },
        { prefix: SCRATCH_PREFIX, expiration: SCRATCH_KEPT_FOR },
      ],
    });
    this.database = new CfnDatabase(this, 'Database', {
      catalogId: Aws.ACCOUNT_ID,
      databaseInput: {
        name: prefix.replaceAll('-', '_'),
        description: 'History: one table per source of events, and tables of what was said of them.',
      },
    });
    this.database.applyRemovalPolicy(removalPolicyOf(props));
    const tableOf = (id: string, described: DescribedTable) => {
      const table = historyTable(this, id, { ...described, database: this.database, bucket: this.bucket });
      table.applyRemovalPolicy(removalPolicyOf(props));
      return table;
    };
    this.tables = sources.map((source) => {
      const { description, owner } = source;
      const described = { schema: historySchema(source), prefix: historyPrefixOf(source), description, owner };
      return { source, table: tableOf(`Table-${source.name}`, described) };
    });
    this.rowTables = {
      served: tableOf('RowTable-served', {
        ...ROW_LOGS.served,
        description: 'What was answered, to whom and when: one row per entity of an answer.',
      }),
      features: tableOf('RowTable-features', {
        ...ROW_LOGS.features,
        description: 'What the features of an entity became by each update of a view.',
      }),
    };
  }
}

interface DescribedTable {
  readonly schema: HistorySchema;
  /** Where its files lie in the bucket. */
  readonly prefix: string;
  readonly description: string;
  readonly owner?: string;
}

/** Not `S3Table`: it hides the resource to which the delivery stream's schema refers. */
function historyTable(
  scope: Construct,
  id: string,
  table: DescribedTable & { readonly database: CfnDatabase; readonly bucket: Bucket },
): CfnTable {
  const { tableName, columns, partitionColumns } = table.schema;
  const location = table.bucket.s3UrlForObject(table.prefix);
  return new CfnTable(scope, id, {
    catalogId: Aws.ACCOUNT_ID,
    databaseName: table.database.ref,
    tableInput: {
      name: tableName,
      description: table.description,
      ...(table.owner !== undefined && { owner: table.owner }),
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
  const oldestDate = new Date(LIMITS.earliestInstantMillis).toISOString().slice(0, 10);
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

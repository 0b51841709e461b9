import { CreateTableCommand, DeleteTableCommand, EntityNotFoundException, type GlueClient } from '@aws-sdk/client-glue';
import type { Column, ColumnKind } from './columns.ts';

const HIVE_TYPES: Readonly<Record<Exclude<ColumnKind, 'decimal' | 'date' | 'instant'>, string>> = {
  boolean: 'boolean',
  integer: 'bigint',
  double: 'double',
  text: 'string',
};

export interface SpineTableOptions {
  readonly client: GlueClient;
  readonly database: string;
  readonly table: string;
  /** Where its Parquet file is, with a slash at the end. */
  readonly location: string;
  readonly columns: readonly Column[];
}

/** Lets queries see a file as a table for the time of `use`. */
export async function withSpineTable<Result>(options: SpineTableOptions, use: () => Promise<Result>): Promise<Result> {
  const { client, database, table, location, columns } = options;
  try {
    await client.send(
      new CreateTableCommand({
        DatabaseName: database,
        TableInput: {
          Name: table,
          Description: 'The rows of a training set in the making. Whatever is older than a day can be dropped.',
          TableType: 'EXTERNAL_TABLE',
          Parameters: { classification: 'parquet', EXTERNAL: 'TRUE' },
          StorageDescriptor: {
            Location: location,
            Columns: columns.map(({ name, kind }) => ({ Name: name, Type: hiveTypeOf(kind) })),
            InputFormat: 'org.apache.hadoop.hive.ql.io.parquet.MapredParquetInputFormat',
            OutputFormat: 'org.apache.hadoop.hive.ql.io.parquet.MapredParquetOutputFormat',
            SerdeInfo: { SerializationLibrary: 'org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe' },
          },
        },
      }),
    );
    return await use();
  } finally {
    // Even when creating it failed: its answer may have been lost.
    await drop(options);
  }
}

function hiveTypeOf(kind: ColumnKind): string {
  if (kind === 'instant' || kind === 'date' || kind === 'decimal') {
    throw new Error(`a column of kind ${kind} reaches queries decoded`);
  }
  return HIVE_TYPES[kind];
}

async function drop({ client, database, table }: SpineTableOptions): Promise<void> {
  try {
    await client.send(new DeleteTableCommand({ DatabaseName: database, Name: table }));
  } catch (error) {
    if (!(error instanceof EntityNotFoundException)) throw error;
  }
}

import type { EventSource } from '../../definitions/source.ts';
import type { AuditSource } from '../audit/audit-source.ts';
import { SqlAuditSource } from '../audit/sql-audit-source.ts';
import { historySchema } from '../history-schema.ts';
import { ROW_LOGS } from '../row-logs.ts';
import { quoteName, TRINO } from '../sql/dialect.ts';
import type { AthenaQueries } from './athena-queries.ts';

/** Reads served rows and history where they land. */
export function athenaAuditSource(queries: Pick<AthenaQueries, 'run'>, sources: readonly EventSource[]): AuditSource {
  return new SqlAuditSource({
    dialect: TRINO,
    served: quoteName(ROW_LOGS.served.schema.tableName),
    history: Object.fromEntries(sources.map((source) => [source.name, quoteName(historySchema(source).tableName)])),
    isPartitioned: true,
    query: async (sql) => (await queries.run(sql)).rows,
  });
}

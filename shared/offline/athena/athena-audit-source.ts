import type { EventSource } from '../../definitions/source.ts';
import type { AuditSource } from '../audit/audit-source.ts';
import { SqlAuditSource } from '../audit/sql-audit-source.ts';
import { historySchema } from '../history-schema.ts';
import { ROW_LOGS } from '../row-logs.ts';
import { quoteName, type SqlDialect, TRINO } from '../sql/dialect.ts';
import type { AthenaQueries } from './athena-queries.ts';

/**
 * Reads served rows and history where they land.
 * @param dialect of what answers for Athena. Default: Athena's own.
 */
export function athenaAuditSource(
  queries: Pick<AthenaQueries, 'run'>,
  sources: readonly EventSource[],
  dialect: SqlDialect = TRINO,
): AuditSource {
  return new SqlAuditSource({
    dialect,
    served: quoteName(ROW_LOGS.served.schema.tableName),
    history: Object.fromEntries(sources.map((source) => [source.name, quoteName(historySchema(source).tableName)])),
    isPartitioned: true,
    query: async (sql) => (await queries.run(sql)).rows,
  });
}

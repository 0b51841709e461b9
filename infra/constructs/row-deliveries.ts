import { Construct } from 'constructs';
import { historyErrorPrefixOf, historyPrefixOf, historySchema } from '../../shared/offline/history-schema.ts';
import { ROW_LOGS, type RowLogName, rowErrorPrefixOf } from '../../shared/offline/row-logs.ts';
import type { FeatureRepository } from '../../shared/registry/manifest.ts';
import type { StageConfig } from '../config.ts';
import type { HistoryStore } from './history-store.ts';
import { RowDelivery } from './row-delivery.ts';

/** Everything that functions keep of what they said: one delivery per table of rows, and one per source of decided events. */
export class RowDeliveries extends Construct {
  readonly logs: Readonly<Record<RowLogName, RowDelivery>>;
  /** Events that services decide at once, to the same tables to which streams land. */
  readonly decided: readonly RowDelivery[];
  readonly all: readonly RowDelivery[];

  constructor(
    scope: Construct,
    id: string,
    {
      repository,
      history,
      config,
    }: { readonly repository: FeatureRepository; readonly history: HistoryStore; readonly config: StageConfig },
  ) {
    super(scope, id);
    const deliveryOf = (name: RowLogName) => {
      const { schema, prefix } = ROW_LOGS[name];
      return new RowDelivery(this, name, {
        tableName: schema.tableName,
        table: history.rowTables[name],
        prefix,
        errorPrefix: rowErrorPrefixOf(ROW_LOGS[name]),
        fileNameBeginning: 'landed-',
        history,
        config,
      });
    };
    this.logs = { served: deliveryOf('served'), features: deliveryOf('features') };
    const decided = history.tables.filter(({ source }) =>
      repository.services.some(({ decides }) => decides === source),
    );
    this.decided = decided.map(
      ({ source, table }) =>
        new RowDelivery(this, `decided-${source.name}`, {
          tableName: historySchema(source).tableName,
          table,
          prefix: historyPrefixOf(source),
          errorPrefix: historyErrorPrefixOf(source),
          fileNameBeginning: 'decided-',
          history,
          config,
        }),
    );
    this.all = [...Object.values(this.logs), ...this.decided];
  }
}

import type { CfnTable } from 'aws-cdk-lib/aws-glue';
import { Construct } from 'constructs';
import {
  decidedDelivery,
  decidedSources,
  functionDeliveries,
  type HistoryDelivery,
  rowLogDelivery,
} from '../../shared/offline/deliveries.ts';
import { ROW_LOGS, type RowLogName } from '../../shared/offline/row-logs.ts';
import type { FeatureRepository } from '../../shared/registry/manifest.ts';
import type { StageConfig } from '../config.ts';
import type { HistoryStore } from './history-store.ts';
import { RowDelivery, type RowIntake } from './row-delivery.ts';

/** Where functions hand their rows over, by the kind of function. */
export interface RowIntakes {
  readonly ofConsumers: readonly RowIntake[];
  readonly ofServing: readonly RowIntake[];
}

/** A lander knows its tables by their names, and nothing is deployed for it. */
export function landerIntakes({ landing }: StageConfig, repository: FeatureRepository): RowIntakes {
  if (landing.by !== 'lander') return { ofConsumers: [], ofServing: [] };
  const all = functionDeliveries(repository).map(({ schema: { tableName } }) => ({ tableName, streamName: tableName }));
  const isOfConsumers = ({ tableName }: RowIntake) => tableName === ROW_LOGS.features.schema.tableName;
  return { ofConsumers: all.filter(isOfConsumers), ofServing: all.filter((intake) => !isOfConsumers(intake)) };
}

/** Everything that functions keep of what they said: one delivery per table of rows, and one per source of decided events. */
export class RowDeliveries extends Construct {
  readonly logs: Readonly<Record<RowLogName, RowDelivery>>;
  /** Events that services decide at once, to the same tables to which streams land. */
  readonly decided: readonly RowDelivery[];
  readonly all: readonly RowDelivery[];
  readonly intakes: RowIntakes;

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
    const deliver = (id: string, delivery: HistoryDelivery, table: CfnTable) =>
      new RowDelivery(this, id, { delivery, table, history, config });
    const deliveryOf = (name: RowLogName) => deliver(name, rowLogDelivery(ROW_LOGS[name]), history.rowTables[name]);
    this.logs = { served: deliveryOf('served'), features: deliveryOf('features') };
    const decided = decidedSources(repository);
    this.decided = history.tables
      .filter(({ source }) => decided.includes(source))
      .map(({ source, table }) => deliver(`decided-${source.name}`, decidedDelivery(source), table));
    this.intakes = { ofConsumers: [this.logs.features], ofServing: [this.logs.served, ...this.decided] };
    this.all = [...Object.values(this.logs), ...this.decided];
  }
}

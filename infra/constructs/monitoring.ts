import { CfnOutput } from 'aws-cdk-lib';
import type { Table } from 'aws-cdk-lib/aws-dynamodb';
import { Construct } from 'constructs';
import type { FeatureRepository } from '../../shared/registry/manifest.ts';
import type { StageConfig } from '../config.ts';
import { SERVICE } from '../metrics.ts';
import type { SourceStream } from '../stateful-stack.ts';
import { AlarmTopic } from './alarm-topic.ts';
import { Alarms, type KeptRows } from './alarms.ts';
import { FeatureStoreDashboard } from './dashboard.ts';
import type { HistoryLanding } from './history-landing.ts';
import type { RowDeliveries } from './row-deliveries.ts';
import type { RowDelivery } from './row-delivery.ts';
import type { ServingApi } from './serving-api.ts';
import type { SkewAudit } from './skew-audit.ts';
import type { TrainingSets } from './training-sets.ts';
import type { WindowUpdater } from './window-updater.ts';

export interface MonitoringProps {
  readonly config: StageConfig;
  readonly repository: FeatureRepository;
  readonly onlineTable: Table;
  readonly serving: ServingApi;
  readonly consumers: readonly (SourceStream & { readonly updater: WindowUpdater })[];
  readonly landings: readonly (SourceStream & { readonly landing: HistoryLanding })[];
  /** Without, where history is not landed. */
  readonly rows: RowDeliveries | undefined;
  readonly audit: SkewAudit | undefined;
  readonly trainingSets: TrainingSets | undefined;
}

/** The alarms, whom they tell, and the page to look at next. */
export class Monitoring extends Construct {
  constructor(scope: Construct, id: string, props: MonitoringProps) {
    super(scope, id);
    const { config, repository, onlineTable, serving, consumers, landings, rows, audit, trainingSets } = props;
    const keptRows = rows ? keptRowsOf(rows) : [];
    const { topic } = new AlarmTopic(this, 'AlarmTopic', { email: config.alarmEmail });
    const alarms = new Alarms(this, 'Alarms', { prefix: config.prefix, topic });
    alarms.watchServing(serving.measuredRoutes);
    alarms.watchDecisions();
    const deciding = repository.services.filter(({ decides }) => decides !== undefined);
    for (const service of deciding) alarms.watchConfiguration(service);
    alarms.watchFunction(SERVICE.serve, serving.function);
    alarms.watchTable(onlineTable);
    for (const { source, stream, updater } of consumers) {
      const { function: lambda, mapping } = updater;
      alarms.watchConsumer({ source, stream, function: lambda, mappingId: mapping.eventSourceMappingId });
      alarms.watchFunction(`${SERVICE.updateWindows}-${source.name}`, lambda);
    }
    for (const { source, landing } of landings) {
      alarms.watchLanding({ source, deliveryStream: landing.deliveryStream });
      alarms.watchFunction(`${SERVICE.landEvents}-${source.name}`, landing.function);
    }
    for (const kept of keptRows) alarms.watchRows(kept);
    if (audit) {
      alarms.watchAudit();
      alarms.watchFunction(SERVICE.audit, audit.function);
    }
    if (trainingSets) {
      alarms.watchTrainingSets();
      alarms.watchFunction(SERVICE.trainingSets, trainingSets.apiFunction);
      alarms.watchFunction(SERVICE.makeTrainingSet, trainingSets.makeFunction);
    }
    for (const view of repository.views) alarms.watchView(view);
    new FeatureStoreDashboard(this, 'Dashboard', {
      prefix: config.prefix,
      repository,
      apiStage: serving.stage,
      routes: serving.measuredRoutes,
      onlineTable,
      consumers: consumers.map(({ source, updater }) => ({ source, function: updater.function })),
      landings: landings.map(({ source, landing }) => ({ source, deliveryStream: landing.deliveryStream })),
      keptRows,
      isAudited: audit !== undefined,
      makesTrainingSets: trainingSets !== undefined,
    });
    new CfnOutput(this, 'AlarmTopicArn', { value: topic.topicArn });
  }
}

/** Every table of rows, by the function that writes it. */
function keptRowsOf({ logs, decided }: RowDeliveries): KeptRows[] {
  const written = (service: string, deliveries: readonly RowDelivery[]) =>
    deliveries.map(({ tableName, deliveryStream }) => ({ service, tableName, deliveryStream }));
  return [...written(SERVICE.serve, [logs.served, ...decided]), ...written(SERVICE.updateWindows, [logs.features])];
}

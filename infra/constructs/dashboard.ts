import { Duration } from 'aws-cdk-lib';
import type { HttpStage } from 'aws-cdk-lib/aws-apigatewayv2';
import { Dashboard, GraphWidget, GraphWidgetView, type IMetric, type IWidget, Stats } from 'aws-cdk-lib/aws-cloudwatch';
import type { Table } from 'aws-cdk-lib/aws-dynamodb';
import type { DeliveryStream } from 'aws-cdk-lib/aws-kinesisfirehose';
import type { IFunction } from 'aws-cdk-lib/aws-lambda';
import { Construct } from 'constructs';
import type { Route } from '../../functions/routes.ts';
import type { EventSource } from '../../shared/definitions/source.ts';
import type { FeatureRepository } from '../../shared/registry/manifest.ts';
import { landingAgeMetric, StoreMetrics } from '../metrics.ts';
import { type KeptRows, promisesLatency, THRESHOLDS } from './alarms.ts';

const MINUTE = Duration.minutes(1);

/** Upper edges of the buckets of the latency histogram. */
const LATENCY_BUCKETS_MILLIS = [1, 5, 10, 25, 50, 100] as const;

export interface FeatureStoreDashboardProps {
  readonly prefix: string;
  readonly repository: FeatureRepository;
  readonly apiStage: HttpStage;
  /** Without aliases. */
  readonly routes: readonly Route[];
  readonly onlineTable: Table;
  readonly consumers: readonly { readonly source: EventSource; readonly function: IFunction }[];
  readonly landings: readonly { readonly source: EventSource; readonly deliveryStream: DeliveryStream }[];
  readonly keptRows: readonly KeptRows[];
  readonly isAudited: boolean;
  readonly makesTrainingSets: boolean;
}

/** One page that answers: is it fast, is it fresh, is it right, is it full. */
export class FeatureStoreDashboard extends Construct {
  constructor(scope: Construct, id: string, props: FeatureStoreDashboardProps) {
    super(scope, id);
    const metrics = new StoreMetrics(props.prefix);
    new Dashboard(this, 'Dashboard', {
      dashboardName: props.prefix,
      defaultInterval: Duration.hours(3),
      widgets: [
        servingWidgets(metrics, props.routes),
        [availabilityWidget(metrics, props.routes), ...apiWidgets(props)],
        freshnessWidgets(metrics, this, props),
        [configurationWidget(metrics, props.repository)],
        ...props.consumers.map((consumer) => consumerWidgets(metrics, consumer)),
        ...props.landings.map((landing) => landingWidgets(metrics, landing)),
        ...props.keptRows.map((kept) => rowWidgets(metrics, kept)),
        ...(props.isAudited ? [auditWidgets(metrics, props.repository)] : []),
        ...(props.makesTrainingSets ? [[trainingSetsWidget(metrics)]] : []),
      ],
    });
  }
}

function servingWidgets(metrics: StoreMetrics, routes: readonly Route[]): IWidget[] {
  const promised = routes.filter(promisesLatency);
  return [
    ...promised.map(
      (route) =>
        new GraphWidget({
          title: `Serving latency of ${route.path}: share of requests per bucket`,
          width: 8,
          view: GraphWidgetView.BAR,
          setPeriodToTimeRange: true,
          leftYAxis: { min: 0, max: 100, label: '%', showUnits: false },
          left: latencyHistogram(metrics, route),
        }),
    ),
    new GraphWidget({
      title: 'Serving latency, p50, p95 and p99',
      width: 8,
      leftYAxis: { min: 0, label: 'ms', showUnits: false },
      leftAnnotations: [{ value: THRESHOLDS.servingLatencyMillis, label: 'promised for p95' }],
      left: promised.flatMap((route) =>
        [50, 95, 99].map((percentile) =>
          metrics.route('servingLatency', route, {
            statistic: Stats.p(percentile),
            period: MINUTE,
            label: `${route.path} p${percentile}`,
          }),
        ),
      ),
    }),
  ];
}

/** Percent of requests in each bucket. A percentile rank excludes its lower edge, so no request is in two buckets. */
function latencyHistogram(metrics: StoreMetrics, route: Route): IMetric[] {
  const edges: (number | undefined)[] = [undefined, ...LATENCY_BUCKETS_MILLIS, undefined];
  return edges.slice(1).map((upper, index) => {
    const lower = edges[index];
    return metrics.route('servingLatency', route, {
      statistic: `PR(${lower ?? ''}:${upper ?? ''})`,
      period: MINUTE,
      label:
        upper === undefined ? `over ${lower} ms` : lower === undefined ? `to ${upper} ms` : `${lower} to ${upper} ms`,
    });
  });
}

function availabilityWidget(metrics: StoreMetrics, routes: readonly Route[]): IWidget {
  return new GraphWidget({
    title: 'Availability: share of answers below 500; degraded decisions, and doubtful events',
    width: 8,
    right: [
      metrics.degradedDecisions(MINUTE),
      ...(['late', 'skewed', 'duplicate', 'unknown'] as const).map((status) =>
        metrics.doubtfulEvents(status, { statistic: Stats.SUM, period: MINUTE, label: status }),
      ),
    ],
    rightYAxis: { min: 0, showUnits: false },
    leftYAxis: { max: 1, showUnits: false },
    leftAnnotations: [{ value: THRESHOLDS.availabilityRatio, label: 'promised' }],
    left: routes.map((route) =>
      metrics.route('availability', route, { statistic: Stats.AVERAGE, period: MINUTE, label: route.path }),
    ),
  });
}

function apiWidgets({ apiStage, onlineTable }: FeatureStoreDashboardProps): IWidget[] {
  const sum = { statistic: Stats.SUM, period: MINUTE };
  return [
    new GraphWidget({
      title: 'Requests and refusals at the gateway',
      width: 8,
      left: [apiStage.metricCount(sum), apiStage.metricClientError(sum), apiStage.metricServerError(sum)],
    }),
    new GraphWidget({
      title: 'Online table: consumed units and throttles',
      width: 8,
      left: [onlineTable.metricConsumedReadCapacityUnits(sum), onlineTable.metricConsumedWriteCapacityUnits(sum)],
      right: [onlineTable.metric('ReadThrottleEvents', sum), onlineTable.metric('WriteThrottleEvents', sum)],
    }),
  ];
}

function freshnessWidgets(
  metrics: StoreMetrics,
  scope: Construct,
  { repository }: FeatureStoreDashboardProps,
): IWidget[] {
  const maximum = { statistic: Stats.MAXIMUM, period: MINUTE };
  return [
    new GraphWidget({
      title: 'Freshness: arrival of an event to its visibility, seconds',
      width: 8,
      leftYAxis: { min: 0, showUnits: false },
      leftAnnotations: [{ value: THRESHOLDS.featuresStaleSeconds, label: 'stale' }],
      left: repository.views.map((view) => metrics.freshness(view, { ...maximum, label: view.key })),
    }),
    new GraphWidget({
      title: 'Age of the features served, median seconds',
      width: 8,
      leftYAxis: { min: 0, showUnits: false },
      left: repository.views.map((view) =>
        metrics.featureAge(view, { statistic: Stats.p(50), period: MINUTE, label: view.key }),
      ),
    }),
    new GraphWidget({ title: 'Null answers per feature', width: 8, left: [metrics.nullFeatures(scope, MINUTE)] }),
  ];
}

function configurationWidget(metrics: StoreMetrics, { services }: FeatureRepository): IWidget {
  const sampling = { statistic: Stats.MAXIMUM, period: MINUTE };
  return new GraphWidget({
    title: 'Age of the configuration that decides, seconds',
    width: 24,
    leftYAxis: { min: 0, showUnits: false },
    leftAnnotations: [{ value: THRESHOLDS.configurationAgeSeconds, label: 'alarm' }],
    left: services
      .filter(({ decides }) => decides !== undefined)
      .map((service) => metrics.configurationAge(service, { ...sampling, label: service.key })),
  });
}

function consumerWidgets(metrics: StoreMetrics, consumer: FeatureStoreDashboardProps['consumers'][number]): IWidget[] {
  const { source } = consumer;
  const sum = { statistic: Stats.SUM, period: MINUTE };
  return [
    new GraphWidget({
      title: `Events of ${source.name}`,
      width: 8,
      left: [metrics.consumer('eventsReceived', source, sum), metrics.consumer('eventsApplied', source, sum)],
      right: [
        metrics.consumer('eventsDuplicate', source, sum),
        metrics.consumer('eventsLate', source, sum),
        metrics.consumer('eventsQuarantined', source, sum),
        metrics.consumer('fieldsIgnored', source, sum),
        metrics.consumer('writeFailures', source, sum),
      ],
    }),
    new GraphWidget({
      title: `Computation of ${source.name}, ms per batch`,
      width: 8,
      leftYAxis: { min: 0, showUnits: false },
      left: [50, 99].map((percentile) =>
        metrics.consumer('computationLatency', source, {
          statistic: Stats.p(percentile),
          period: MINUTE,
          label: `p${percentile}`,
        }),
      ),
    }),
    new GraphWidget({
      title: `How far ${source.name} is behind its stream`,
      width: 8,
      leftYAxis: { min: 0, showUnits: false },
      leftAnnotations: [{ value: THRESHOLDS.iteratorAgeMillis, label: 'alarm' }],
      left: [consumer.function.metric('IteratorAge', { statistic: Stats.MAXIMUM, period: MINUTE })],
    }),
  ];
}

function auditWidgets(metrics: StoreMetrics, { views, services }: FeatureRepository): IWidget[] {
  const period = Duration.hours(1);
  const declaredBy = [...views, ...services.filter(({ derived }) => derived.length > 0)].map(({ key }) => key);
  return [
    new GraphWidget({
      title: 'Is training what is served? Percent of sampled values that history gives again',
      width: 12,
      leftYAxis: { max: 100, showUnits: false },
      left: declaredBy.map((key) => metrics.matchRate(key, { statistic: Stats.MINIMUM, period, label: key })),
    }),
    new GraphWidget({
      title: 'Skew audit: rows compared, and differences without an explanation',
      width: 12,
      left: [metrics.audit('rowsCompared', { statistic: Stats.MAXIMUM, period })],
      right: [
        metrics.audit('unexplained', { statistic: Stats.MAXIMUM, period }),
        metrics.audit('rowsUnreadable', { statistic: Stats.MAXIMUM, period }),
      ],
    }),
  ];
}

function trainingSetsWidget(metrics: StoreMetrics): IWidget {
  const sum = { statistic: Stats.SUM, period: Duration.minutes(5) };
  return new GraphWidget({
    title: 'Training sets by Athena, and the bytes read for them',
    width: 24,
    left: [metrics.trainingSet('made', sum), metrics.trainingSet('failed', sum)],
    right: [metrics.trainingSet('bytesScanned', sum)],
  });
}

function landingWidgets(
  metrics: StoreMetrics,
  { source, deliveryStream }: FeatureStoreDashboardProps['landings'][number],
): IWidget[] {
  const sum = { statistic: Stats.SUM, period: MINUTE };
  return [
    new GraphWidget({
      title: `Events of ${source.name} that become history`,
      width: 8,
      left: [metrics.landing('eventsLanded', source, sum)],
      right: [
        metrics.landing('eventsRefused', source, sum),
        deliveryStream.metric('FailedConversion.Records', sum),
        deliveryStream.metric('PartitionCountExceeded', sum),
      ],
    }),
    new GraphWidget({
      title: `Age of the oldest event of ${source.name} that is not in the history, seconds`,
      width: 8,
      leftYAxis: { min: 0, showUnits: false },
      leftAnnotations: [{ value: THRESHOLDS.landingAgeSeconds, label: 'alarm' }],
      left: [landingAgeMetric(deliveryStream, MINUTE)],
    }),
  ];
}

function rowWidgets(metrics: StoreMetrics, kept: KeptRows): IWidget[] {
  const { tableName, deliveryStream } = kept;
  const sum = { statistic: Stats.SUM, period: MINUTE };
  return [
    new GraphWidget({
      title: `Rows of ${tableName} that are kept`,
      width: 8,
      left: [deliveryStream.metric('IncomingRecords', sum)],
      right: [
        metrics.row('rowsRefused', kept, sum),
        metrics.row('rowsLost', kept, sum),
        deliveryStream.metric('FailedConversion.Records', sum),
      ],
    }),
    new GraphWidget({
      title: `Age of the oldest row of ${tableName} that is not in the history, seconds`,
      width: 8,
      leftYAxis: { min: 0, showUnits: false },
      leftAnnotations: [{ value: THRESHOLDS.landingAgeSeconds, label: 'alarm' }],
      left: [landingAgeMetric(deliveryStream, MINUTE)],
    }),
  ];
}

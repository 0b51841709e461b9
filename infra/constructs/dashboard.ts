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
import type { Stage } from '../config.ts';
import {
  auditMetric,
  configurationAgeMetric,
  consumerMetric,
  degradedDecisionsMetric,
  doubtfulEventsMetric,
  featureAgeMetric,
  freshnessMetric,
  landingAgeMetric,
  landingMetric,
  matchRateMetric,
  nullFeaturesSearch,
  routeMetric,
  rowMetric,
  trainingSetMetric,
} from '../metrics.ts';
import { type KeptRows, promisesLatency, THRESHOLDS } from './alarms.ts';

const MINUTE = Duration.minutes(1);

/** Upper edges of the buckets of the latency histogram. */
const LATENCY_BUCKETS_MILLIS = [1, 5, 10, 25, 50, 100] as const;

export interface FeatureStoreDashboardProps {
  readonly stage: Stage;
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
    new Dashboard(this, 'Dashboard', {
      dashboardName: `feature-store-${props.stage}`,
      defaultInterval: Duration.hours(3),
      widgets: [
        servingWidgets(props.routes),
        [availabilityWidget(props.routes), ...apiWidgets(props)],
        freshnessWidgets(this, props),
        [configurationWidget(props.repository)],
        ...props.consumers.map(consumerWidgets),
        ...props.landings.map(landingWidgets),
        ...props.keptRows.map(rowWidgets),
        ...(props.isAudited ? [auditWidgets(props.repository)] : []),
        ...(props.makesTrainingSets ? [[trainingSetsWidget()]] : []),
      ],
    });
  }
}

function servingWidgets(routes: readonly Route[]): IWidget[] {
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
          left: latencyHistogram(route),
        }),
    ),
    new GraphWidget({
      title: 'Serving latency, p50, p95 and p99',
      width: 8,
      leftYAxis: { min: 0, label: 'ms', showUnits: false },
      leftAnnotations: [{ value: THRESHOLDS.servingLatencyMillis, label: 'promised for p95' }],
      left: promised.flatMap((route) =>
        [50, 95, 99].map((percentile) =>
          routeMetric('servingLatency', route, {
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
function latencyHistogram(route: Route): IMetric[] {
  const edges: (number | undefined)[] = [undefined, ...LATENCY_BUCKETS_MILLIS, undefined];
  return edges.slice(1).map((upper, index) => {
    const lower = edges[index];
    return routeMetric('servingLatency', route, {
      statistic: `PR(${lower ?? ''}:${upper ?? ''})`,
      period: MINUTE,
      label:
        upper === undefined ? `over ${lower} ms` : lower === undefined ? `to ${upper} ms` : `${lower} to ${upper} ms`,
    });
  });
}

function availabilityWidget(routes: readonly Route[]): IWidget {
  return new GraphWidget({
    title: 'Availability: share of answers below 500; degraded decisions, and doubtful events',
    width: 8,
    right: [
      degradedDecisionsMetric(MINUTE),
      ...(['late', 'skewed', 'duplicate', 'unknown'] as const).map((status) =>
        doubtfulEventsMetric(status, { statistic: Stats.SUM, period: MINUTE, label: status }),
      ),
    ],
    rightYAxis: { min: 0, showUnits: false },
    leftYAxis: { max: 1, showUnits: false },
    leftAnnotations: [{ value: THRESHOLDS.availabilityRatio, label: 'promised' }],
    left: routes.map((route) =>
      routeMetric('availability', route, { statistic: Stats.AVERAGE, period: MINUTE, label: route.path }),
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

function freshnessWidgets(scope: Construct, { repository }: FeatureStoreDashboardProps): IWidget[] {
  const maximum = { statistic: Stats.MAXIMUM, period: MINUTE };
  return [
    new GraphWidget({
      title: 'Freshness: arrival of an event to its visibility, seconds',
      width: 8,
      leftYAxis: { min: 0, showUnits: false },
      leftAnnotations: [{ value: THRESHOLDS.featuresStaleSeconds, label: 'stale' }],
      left: repository.views.map((view) => freshnessMetric(view, { ...maximum, label: view.key })),
    }),
    new GraphWidget({
      title: 'Age of the features served, median seconds',
      width: 8,
      leftYAxis: { min: 0, showUnits: false },
      left: repository.views.map((view) =>
        featureAgeMetric(view, { statistic: Stats.p(50), period: MINUTE, label: view.key }),
      ),
    }),
    new GraphWidget({ title: 'Null answers per feature', width: 8, left: [nullFeaturesSearch(scope, MINUTE)] }),
  ];
}

function configurationWidget({ services }: FeatureRepository): IWidget {
  const sampling = { statistic: Stats.MAXIMUM, period: MINUTE };
  return new GraphWidget({
    title: 'Age of the configuration that decides, seconds',
    width: 24,
    leftYAxis: { min: 0, showUnits: false },
    leftAnnotations: [{ value: THRESHOLDS.configurationAgeSeconds, label: 'alarm' }],
    left: services
      .filter(({ decides }) => decides !== undefined)
      .map((service) => configurationAgeMetric(service, { ...sampling, label: service.key })),
  });
}

function consumerWidgets(consumer: FeatureStoreDashboardProps['consumers'][number]): IWidget[] {
  const { source } = consumer;
  const sum = { statistic: Stats.SUM, period: MINUTE };
  return [
    new GraphWidget({
      title: `Events of ${source.name}`,
      width: 8,
      left: [consumerMetric('eventsReceived', source, sum), consumerMetric('eventsApplied', source, sum)],
      right: [
        consumerMetric('eventsDuplicate', source, sum),
        consumerMetric('eventsLate', source, sum),
        consumerMetric('eventsQuarantined', source, sum),
        consumerMetric('fieldsIgnored', source, sum),
        consumerMetric('writeFailures', source, sum),
      ],
    }),
    new GraphWidget({
      title: `Computation of ${source.name}, ms per batch`,
      width: 8,
      leftYAxis: { min: 0, showUnits: false },
      left: [50, 99].map((percentile) =>
        consumerMetric('computationLatency', source, {
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

function auditWidgets({ views, services }: FeatureRepository): IWidget[] {
  const period = Duration.hours(1);
  const declaredBy = [...views, ...services.filter(({ derived }) => derived.length > 0)].map(({ key }) => key);
  return [
    new GraphWidget({
      title: 'Is training what is served? Percent of sampled values that history gives again',
      width: 12,
      leftYAxis: { max: 100, showUnits: false },
      left: declaredBy.map((key) => matchRateMetric(key, { statistic: Stats.MINIMUM, period, label: key })),
    }),
    new GraphWidget({
      title: 'Skew audit: rows compared, and differences without an explanation',
      width: 12,
      left: [auditMetric('rowsCompared', { statistic: Stats.MAXIMUM, period })],
      right: [
        auditMetric('unexplained', { statistic: Stats.MAXIMUM, period }),
        auditMetric('rowsUnreadable', { statistic: Stats.MAXIMUM, period }),
      ],
    }),
  ];
}

function trainingSetsWidget(): IWidget {
  const sum = { statistic: Stats.SUM, period: Duration.minutes(5) };
  return new GraphWidget({
    title: 'Training sets by Athena, and the bytes read for them',
    width: 24,
    left: [trainingSetMetric('made', sum), trainingSetMetric('failed', sum)],
    right: [trainingSetMetric('bytesScanned', sum)],
  });
}

function landingWidgets({ source, deliveryStream }: FeatureStoreDashboardProps['landings'][number]): IWidget[] {
  const sum = { statistic: Stats.SUM, period: MINUTE };
  return [
    new GraphWidget({
      title: `Events of ${source.name} that become history`,
      width: 8,
      left: [landingMetric('eventsLanded', source, sum)],
      right: [
        landingMetric('eventsRefused', source, sum),
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

function rowWidgets(kept: KeptRows): IWidget[] {
  const { tableName, deliveryStream } = kept;
  const sum = { statistic: Stats.SUM, period: MINUTE };
  return [
    new GraphWidget({
      title: `Rows of ${tableName} that are kept`,
      width: 8,
      left: [deliveryStream.metric('IncomingRecords', sum)],
      right: [
        rowMetric('rowsRefused', kept, sum),
        rowMetric('rowsLost', kept, sum),
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

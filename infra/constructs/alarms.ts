import { Duration } from 'aws-cdk-lib';
import {
  Alarm,
  ComparisonOperator,
  type IMetric,
  MathExpression,
  Metric,
  Stats,
  TreatMissingData,
} from 'aws-cdk-lib/aws-cloudwatch';
import { SnsAction } from 'aws-cdk-lib/aws-cloudwatch-actions';
import type { Table } from 'aws-cdk-lib/aws-dynamodb';
import type { IStream } from 'aws-cdk-lib/aws-kinesis';
import type { DeliveryStream } from 'aws-cdk-lib/aws-kinesisfirehose';
import type { IFunction } from 'aws-cdk-lib/aws-lambda';
import type { ITopic } from 'aws-cdk-lib/aws-sns';
import { Construct } from 'constructs';
import type { Route } from '../../functions/routes.ts';
import type { EventStatus, FeatureService } from '../../shared/definitions/service.ts';
import type { EventSource } from '../../shared/definitions/source.ts';
import type { WindowedView } from '../../shared/definitions/view.ts';
import { landingAgeMetric, StoreMetrics } from '../metrics.ts';

const RUNBOOK = 'docs/runbook.md';
const MINUTE = Duration.minutes(1);
const FIVE_MINUTES = Duration.minutes(5);
const HOUR = Duration.hours(1);

/** What the product promises, beyond which someone is told. */
export const THRESHOLDS = {
  servingLatencyMillis: 50,
  availabilityRatio: 0.999,
  featuresStaleSeconds: 300,
  /** S3 is asked again after 25 s at the latest, so this is several refusals; far from the 15 min after which decisions degrade. */
  configurationAgeSeconds: 120,
  computationLatencyMillis: 10_000,
  /** Well before features count as stale, so that there is time to act. */
  iteratorAgeMillis: 60_000,
  /** In five minutes. One slow network makes a few; more is a clock that is off, or somebody who lies about time. */
  doubtfulEvents: 10,
  /** Share of a source's events in a quarter of an hour. */
  lateEventsRatio: 0.01,
  /** Three times what filling and writing a file takes; a day of it would still be in the stream. */
  landingAgeSeconds: 900,
} as const;

/** What the time of a decided event may be that is reviewed for it: see `event_status`. */
const DOUBTFUL = {
  late: 'that came too late to be counted',
  skewed: 'whose time is too far from their arrival to be believed',
} as const satisfies Partial<Record<EventStatus, string>>;

/** Whether the latency of a route is promised. The others wait for a stream or for dependencies that they check. */
export function promisesLatency({ kind }: Route): boolean {
  return kind === 'features' || kind === 'decide';
}

/** Rows of a table, the function that writes them, and what lands them. */
export interface KeptRows {
  /** Name of the function's service in metrics. */
  readonly service: string;
  readonly tableName: string;
  readonly deliveryStream: DeliveryStream;
}

interface AlarmProps {
  /** Anchor of the section of the runbook that says what to do. */
  readonly section: string;
  /** Which of several, when there is one alarm per source, view, route or function. */
  readonly subject?: string;
  readonly sentence: string;
  readonly metric: IMetric;
  readonly threshold: number;
  readonly comparison?: ComparisonOperator;
  readonly evaluationPeriods: number;
}

/** Everything someone is told about. Each alarm names the section of the runbook that belongs to it. */
export class Alarms extends Construct {
  readonly #prefix: string;
  readonly #metrics: StoreMetrics;
  readonly #action: SnsAction;

  constructor(scope: Construct, id: string, props: { readonly prefix: string; readonly topic: ITopic }) {
    super(scope, id);
    this.#prefix = props.prefix;
    this.#metrics = new StoreMetrics(props.prefix);
    this.#action = new SnsAction(props.topic);
  }

  /** @param routes without aliases, which share the metrics of what they stand for. */
  watchServing(routes: readonly Route[]): void {
    for (const route of routes.filter(promisesLatency)) {
      this.#add({
        section: 'serving-latency',
        subject: route.name,
        sentence: `${titleOf(route)} answers one request in twenty slower than ${THRESHOLDS.servingLatencyMillis} ms.`,
        metric: this.#metrics.route('servingLatency', route, { statistic: Stats.p(95), period: MINUTE }),
        threshold: THRESHOLDS.servingLatencyMillis,
        evaluationPeriods: 5,
      });
    }
    for (const route of routes) {
      this.#add({
        section: 'availability',
        subject: route.name,
        sentence: `${titleOf(route)} fails for more than one request in a thousand.`,
        metric: this.#metrics.route('availability', route, { statistic: Stats.AVERAGE, period: FIVE_MINUTES }),
        threshold: THRESHOLDS.availabilityRatio,
        comparison: ComparisonOperator.LESS_THAN_THRESHOLD,
        evaluationPeriods: 1,
      });
    }
  }

  /** A degraded decision is an answer, but one that fraudsters would wish for. */
  watchDecisions(): void {
    this.#add({
      section: 'decisions-degraded',
      sentence: 'Decisions are made without a view, the configuration or the model.',
      metric: this.#metrics.degradedDecisions(MINUTE),
      threshold: 0,
      evaluationPeriods: 2,
    });
    for (const [status, sentence] of Object.entries(DOUBTFUL)) {
      this.#add({
        section: 'decisions-doubtful',
        subject: status,
        sentence: `More than ${THRESHOLDS.doubtfulEvents} events in five minutes were decided ${sentence}.`,
        metric: this.#metrics.doubtfulEvents(status as keyof typeof DOUBTFUL, {
          statistic: Stats.SUM,
          period: FIVE_MINUTES,
        }),
        threshold: THRESHOLDS.doubtfulEvents,
        evaluationPeriods: 1,
      });
    }
  }

  /** While its age grows, thresholds, rules and lists that are set do not arrive. */
  watchConfiguration(service: FeatureService): void {
    this.#add({
      section: 'configuration-stale',
      subject: service.key.replace('@', '-'),
      sentence: `Decisions of ${service.key} follow a configuration that S3 has not confirmed for more than ${THRESHOLDS.configurationAgeSeconds} s.`,
      metric: this.#metrics.configurationAge(service, { statistic: Stats.MAXIMUM, period: MINUTE }),
      threshold: THRESHOLDS.configurationAgeSeconds,
      evaluationPeriods: 2,
    });
  }

  watchView(view: WindowedView): void {
    this.#add({
      section: 'features-stale',
      subject: view.key.replace('@', '-'),
      sentence: `Features of ${view.key} show events more than ${THRESHOLDS.featuresStaleSeconds} s after they arrived.`,
      metric: this.#metrics.freshness(view, { statistic: Stats.MAXIMUM, period: MINUTE }),
      threshold: THRESHOLDS.featuresStaleSeconds,
      evaluationPeriods: 2,
    });
  }

  watchTrainingSets(): void {
    this.#add({
      section: 'training-sets-failed',
      sentence: 'A training set could not be made, through no fault of its spine.',
      metric: this.#metrics.trainingSet('failed', { statistic: Stats.SUM, period: FIVE_MINUTES }),
      threshold: 0,
      evaluationPeriods: 1,
    });
  }

  watchAudit(): void {
    // Rows that nobody understands are skew that nobody sees.
    this.#add({
      section: 'skew-unexplained',
      sentence: 'What was served yesterday differs from what history says, and nothing explains it.',
      metric: sumOf(
        {
          unexplained: this.#metrics.audit('unexplained', { statistic: Stats.MAXIMUM, period: HOUR }),
          unreadable: this.#metrics.audit('rowsUnreadable', { statistic: Stats.MAXIMUM, period: HOUR }),
        },
        HOUR,
      ),
      threshold: 0,
      evaluationPeriods: 1,
    });
  }

  watchConsumer(watched: {
    readonly source: EventSource;
    readonly stream: IStream;
    readonly function: IFunction;
    readonly mappingId: string;
  }): void {
    this.#watchComputation(watched.source);
    this.#watchDelivery(watched);
  }

  watchLanding({
    source,
    deliveryStream,
  }: {
    readonly source: EventSource;
    readonly deliveryStream: DeliveryStream;
  }): void {
    this.#add({
      section: 'landing-late',
      subject: source.name,
      sentence: `Events of ${source.name} wait for more than ${THRESHOLDS.landingAgeSeconds / 60} min before they are in the history.`,
      metric: landingAgeMetric(deliveryStream, FIVE_MINUTES),
      threshold: THRESHOLDS.landingAgeSeconds,
      evaluationPeriods: 1,
    });
    const sum = { statistic: Stats.SUM, period: FIVE_MINUTES };
    const least = { statistic: Stats.MINIMUM, period: FIVE_MINUTES };
    this.#add({
      section: 'landing-errors',
      subject: source.name,
      sentence: `Records of ${source.name} are missing in the history and lie below its error prefix.`,
      metric: new MathExpression({
        // Successes are ratios, and have no data while nothing is done.
        expression:
          'FILL(refused, 0) + FILL(unconverted, 0) + FILL(unpartitioned, 0) + IF(FILL(transformed, 1) < 1, 1, 0) + IF(FILL(written, 1) < 1, 1, 0)',
        usingMetrics: {
          refused: this.#metrics.landing('eventsRefused', source, sum),
          unconverted: deliveryStream.metric('FailedConversion.Records', sum),
          unpartitioned: deliveryStream.metric('PartitionCountExceeded', sum),
          transformed: deliveryStream.metric('ExecuteProcessing.Success', least),
          written: deliveryStream.metric('DeliveryToS3.Success', least),
        },
        period: FIVE_MINUTES,
        label: 'not landed',
      }),
      threshold: 0,
      evaluationPeriods: 1,
    });
  }

  watchRows(kept: KeptRows): void {
    const { tableName, deliveryStream } = kept;
    const sum = { statistic: Stats.SUM, period: FIVE_MINUTES };
    this.#add({
      section: 'rows-late',
      subject: tableName,
      sentence: `Rows of ${tableName} wait for more than ${THRESHOLDS.landingAgeSeconds / 60} min before they are in the history.`,
      metric: landingAgeMetric(deliveryStream, FIVE_MINUTES),
      threshold: THRESHOLDS.landingAgeSeconds,
      evaluationPeriods: 1,
    });
    this.#add({
      section: 'rows-not-landed',
      subject: tableName,
      sentence: `Rows of ${tableName} are missing in the history and lie below its error prefix.`,
      metric: new MathExpression({
        expression: 'FILL(unconverted, 0) + FILL(unpartitioned, 0) + IF(FILL(written, 1) < 1, 1, 0)',
        usingMetrics: {
          unconverted: deliveryStream.metric('FailedConversion.Records', sum),
          unpartitioned: deliveryStream.metric('PartitionCountExceeded', sum),
          written: deliveryStream.metric('DeliveryToS3.Success', { statistic: Stats.MINIMUM, period: FIVE_MINUTES }),
        },
        period: FIVE_MINUTES,
        label: 'not landed',
      }),
      threshold: 0,
      evaluationPeriods: 1,
    });
    this.#add({
      section: 'rows-lost',
      subject: tableName,
      sentence: `The function ${kept.service} gave up rows of ${tableName}; they will never be in the history.`,
      metric: this.#metrics.row('rowsLost', kept, sum),
      threshold: 0,
      evaluationPeriods: 1,
    });
  }

  watchFunction(subject: string, lambda: IFunction): void {
    this.#add({
      section: 'function-errors',
      subject,
      sentence: `The function ${subject} crashes or runs out of time.`,
      metric: lambda.metricErrors({ statistic: Stats.SUM, period: MINUTE }),
      threshold: 0,
      evaluationPeriods: 1,
    });
    this.#add({
      section: 'function-throttles',
      subject,
      sentence: `The function ${subject} is not started because the account's concurrency is used up.`,
      metric: lambda.metricThrottles({ statistic: Stats.SUM, period: MINUTE }),
      threshold: 0,
      evaluationPeriods: 3,
    });
  }

  watchTable(table: Table): void {
    this.#add({
      section: 'table-throttles',
      sentence: 'DynamoDB refuses reads or writes of the online table.',
      metric: sumOf({
        reads: table.metric('ReadThrottleEvents', { statistic: Stats.SUM, period: MINUTE }),
        writes: table.metric('WriteThrottleEvents', { statistic: Stats.SUM, period: MINUTE }),
      }),
      threshold: 0,
      evaluationPeriods: 3,
    });
  }

  #watchComputation(source: EventSource): void {
    const sum = { statistic: Stats.SUM, period: MINUTE };
    this.#add({
      section: 'computation-latency',
      subject: source.name,
      sentence: `One batch of ${source.name} in a hundred takes longer than ${THRESHOLDS.computationLatencyMillis / 1_000} s.`,
      metric: this.#metrics.consumer('computationLatency', source, { statistic: Stats.p(99), period: FIVE_MINUTES }),
      threshold: THRESHOLDS.computationLatencyMillis,
      evaluationPeriods: 1,
    });
    this.#add({
      section: 'write-failures',
      subject: source.name,
      sentence: `Records of ${source.name} are handed back to the stream minute after minute.`,
      metric: this.#metrics.consumer('writeFailures', source, sum),
      threshold: 0,
      evaluationPeriods: 3,
    });
    const quarterSum = { statistic: Stats.SUM, period: FIVE_MINUTES };
    this.#add({
      section: 'events-late',
      subject: source.name,
      sentence: `More than ${THRESHOLDS.lateEventsRatio * 100} % of the events of ${source.name} come too late to be counted.`,
      metric: new MathExpression({
        expression: 'IF(FILL(received, 0) > 0, FILL(late, 0) / FILL(received, 1), 0)',
        usingMetrics: {
          late: this.#metrics.consumer('eventsLate', source, quarterSum),
          received: this.#metrics.consumer('eventsReceived', source, quarterSum),
        },
        period: FIVE_MINUTES,
        label: 'share of late events',
      }),
      threshold: THRESHOLDS.lateEventsRatio,
      evaluationPeriods: 3,
    });
    this.#add({
      section: 'events-quarantined',
      subject: source.name,
      sentence: `Records of ${source.name} could not be counted and lie in quarantine.`,
      metric: this.#metrics.consumer('eventsQuarantined', source, sum),
      threshold: 0,
      evaluationPeriods: 1,
    });
  }

  #watchDelivery({ source, stream, function: lambda, mappingId }: Parameters<Alarms['watchConsumer']>[0]): void {
    const sum = { statistic: Stats.SUM, period: MINUTE };
    this.#add({
      section: 'iterator-age',
      subject: source.name,
      sentence: `The consumer of ${source.name} is more than ${THRESHOLDS.iteratorAgeMillis / 1_000} s behind its stream.`,
      metric: lambda.metric('IteratorAge', { statistic: Stats.MAXIMUM, period: MINUTE }),
      threshold: THRESHOLDS.iteratorAgeMillis,
      evaluationPeriods: 3,
    });
    this.#add({
      section: 'consumer-silent',
      subject: source.name,
      sentence: `Events of ${source.name} arrive in the stream and nothing consumes them.`,
      // A consumer that has stopped reports nothing, so neither its age nor its freshness can tell.
      metric: new MathExpression({
        expression: 'IF(FILL(arriving, 0) > 0 AND FILL(invocations, 0) == 0, 1, 0)',
        usingMetrics: {
          arriving: stream.metricIncomingRecords(sum),
          invocations: lambda.metricInvocations(sum),
        },
        period: MINUTE,
        label: 'arriving, not consumed',
      }),
      threshold: 0,
      evaluationPeriods: 5,
    });
    this.#add({
      section: 'batches-given-up',
      subject: source.name,
      sentence: `Lambda gave up records of ${source.name} after all retries.`,
      metric: sumOf({
        delivered: new Metric({
          namespace: 'AWS/Lambda',
          metricName: 'OnFailureDestinationDeliveredEventCount',
          dimensionsMap: { EventSourceMappingUUID: mappingId },
          ...sum,
        }),
        undelivered: lambda.metric('DestinationDeliveryFailures', sum),
      }),
      threshold: 0,
      evaluationPeriods: 1,
    });
    this.#add({
      section: 'stream-throttles',
      subject: source.name,
      sentence: `The stream of ${source.name} refuses events of producers.`,
      metric: stream.metricWriteProvisionedThroughputExceeded(sum),
      threshold: 0,
      evaluationPeriods: 3,
    });
  }

  #add({ section, subject, sentence, metric, threshold, comparison, evaluationPeriods }: AlarmProps): void {
    const name = subject === undefined ? section : `${section}-${subject}`;
    const alarm = new Alarm(this, name, {
      alarmName: `${this.#prefix}-${name}`,
      alarmDescription: `${sentence} What to do: ${RUNBOOK}#${section}`,
      metric,
      threshold,
      comparisonOperator: comparison ?? ComparisonOperator.GREATER_THAN_THRESHOLD,
      evaluationPeriods,
      // No data means no traffic; that something should have been there is what `consumer-silent` watches.
      treatMissingData: TreatMissingData.NOT_BREACHING,
    });
    alarm.addAlarmAction(this.#action);
    alarm.addOkAction(this.#action);
  }
}

/** Sum of metrics of which any may have no data. */
function sumOf(usingMetrics: Readonly<Record<string, IMetric>>, period: Duration = MINUTE): MathExpression {
  const names = Object.keys(usingMetrics);
  return new MathExpression({
    expression: names.map((name) => `FILL(${name}, 0)`).join(' + '),
    usingMetrics,
    period,
    label: names.join(' and '),
  });
}

function titleOf({ method, path }: Route): string {
  return `${method} ${path}`;
}

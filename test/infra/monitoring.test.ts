import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Match, type Template } from 'aws-cdk-lib/assertions';
import { expect, describe as group, it } from 'vitest';
import { ROW_METRICS } from '../../functions/constants.ts';
import { LAND_EVENTS_METRICS } from '../../functions/land-events/constants.ts';
import { TRAINING_SET_METRICS } from '../../functions/make-training-set/constants.ts';
import { servingRoutes } from '../../functions/routes.ts';
import { SERVE_METRICS } from '../../functions/serve/constants.ts';
import { UPDATE_WINDOWS_METRICS } from '../../functions/update-windows/constants.ts';
import { repository } from '../../shared/features/index.ts';
import { onlyResourceOf, type Properties, resourcesOf, synthesize } from './synthesize.ts';

const PROJECT_ROOT = join(import.meta.dirname, '../..');
const stacks = synthesize('prod');
const { template } = stacks.stateless;
const alarms = resourcesOf(template, 'AWS::CloudWatch::Alarm').map(({ Properties }) => Properties);

function alarm(name: string): Properties {
  const found = alarms.find(({ AlarmName }) => AlarmName === `feature-store-prod-${name}`);
  if (!found) throw new Error(`No alarm ${name} among ${alarms.map(({ AlarmName }) => AlarmName).join(', ')}`);
  return found;
}

function dimensions(values: Readonly<Record<string, string>>) {
  return Object.keys(values)
    .sort()
    .map((name) => ({ Name: name, Value: values[name] }));
}

/** Anchors as they are made from the headings of a Markdown file. */
function anchorsOf(markdown: string): string[] {
  return [...markdown.matchAll(/^#+ (.+)$/gm)].map(([, heading = '']) =>
    heading
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N} _-]/gu, '')
      .replaceAll(' ', '-'),
  );
}

group('promises', () => {
  it.each(['features', 'decide-fraud_detection'])(
    'serving is slow when p95 of %s exceeds 50 ms for 5 minutes',
    (route) => {
      expect(alarm(`serving-latency-${route}`)).toMatchObject({
        Namespace: 'feature-store-prod',
        MetricName: SERVE_METRICS.servingLatency,
        Dimensions: dimensions({ service: 'serve', route }),
        ExtendedStatistic: 'p95',
        Period: 60,
        EvaluationPeriods: 5,
        Threshold: 50,
        ComparisonOperator: 'GreaterThanThreshold',
      });
    },
  );

  it.each([...new Set(servingRoutes(repository).map(({ name }) => name))])(
    '%s is unavailable when more than one answer in a thousand is a failure',
    (route) => {
      expect(alarm(`availability-${route}`)).toMatchObject({
        MetricName: SERVE_METRICS.availability,
        Dimensions: dimensions({ service: 'serve', route }),
        Statistic: 'Average',
        Threshold: 0.999,
        ComparisonOperator: 'LessThanThreshold',
      });
    },
  );

  it('a degraded decision is an alarm when the next minute has one, too', () => {
    expect(alarm('decisions-degraded')).toMatchObject({
      MetricName: SERVE_METRICS.degradedDecisions,
      Dimensions: dimensions({ service: 'serve' }),
      Statistic: 'Sum',
      Threshold: 0,
      EvaluationPeriods: 2,
    });
  });

  it('every configuration is stale when S3 has not confirmed it for two minutes', () => {
    const deciding = repository.services.filter(({ decides }) => decides !== undefined);
    expect(deciding.length).toBeGreaterThan(0);
    for (const service of deciding) {
      expect(alarm(`configuration-stale-${service.name}-${service.version}`)).toMatchObject({
        MetricName: SERVE_METRICS.configurationAge,
        Dimensions: dimensions({ service: 'serve', feature_service: service.key }),
        Statistic: 'Maximum',
        Period: 60,
        EvaluationPeriods: 2,
        Threshold: 120,
      });
    }
  });

  it('every view is stale when its features are more than 300 s behind for 2 minutes', () => {
    for (const view of repository.views) {
      expect(alarm(`features-stale-${view.name}-${view.version}`)).toMatchObject({
        MetricName: UPDATE_WINDOWS_METRICS.freshness,
        Dimensions: dimensions({ service: 'update-windows', source: view.source.name, view: view.key }),
        Statistic: 'Maximum',
        Period: 60,
        EvaluationPeriods: 2,
        Threshold: 300,
      });
    }
  });

  it('computation is slow when p99 of a batch exceeds 10 s', () => {
    for (const source of repository.sources) {
      expect(alarm(`computation-latency-${source.name}`)).toMatchObject({
        MetricName: UPDATE_WINDOWS_METRICS.computationLatency,
        Dimensions: dimensions({ service: 'update-windows', source: source.name }),
        ExtendedStatistic: 'p99',
        Threshold: 10_000,
      });
    }
  });
});

group('losses', () => {
  it('one quarantined event is an alarm, and so are writes that fail minute after minute', () => {
    for (const source of repository.sources) {
      expect(alarm(`events-quarantined-${source.name}`)).toMatchObject({
        MetricName: UPDATE_WINDOWS_METRICS.eventsQuarantined,
        Dimensions: dimensions({ service: 'update-windows', source: source.name }),
        Statistic: 'Sum',
        Threshold: 0,
        EvaluationPeriods: 1,
      });
      expect(alarm(`write-failures-${source.name}`)).toMatchObject({
        MetricName: UPDATE_WINDOWS_METRICS.writeFailures,
        EvaluationPeriods: 3,
      });
    }
  });

  it('one batch that Lambda gave up is an alarm, delivered to the quarantine or not', () => {
    expect(JSON.stringify(alarm('batches-given-up-transactions').Metrics)).toMatch(
      /EventSourceMappingUUID.*OnFailureDestinationDeliveredEventCount.*DestinationDeliveryFailures/,
    );
  });

  it('a consumer that has stopped is an alarm although it reports nothing', () => {
    expect(alarm('consumer-silent-transactions')).toMatchObject({
      Metrics: expect.arrayContaining([
        expect.objectContaining({ Expression: 'IF(FILL(arriving, 0) > 0 AND FILL(invocations, 0) == 0, 1, 0)' }),
      ]),
      EvaluationPeriods: 5,
    });
  });

  it.each([
    'iterator-age-transactions',
    'stream-throttles-transactions',
    'table-throttles',
    'function-errors-serve',
    'function-errors-land-events-transactions',
    'function-errors-update-windows-transactions',
    'function-throttles-serve',
    'function-throttles-land-events-transactions',
    'function-throttles-update-windows-transactions',
  ])('%s is watched', (name) => {
    expect(alarm(name)).toBeDefined();
  });
});

group('every alarm', () => {
  it('leads to an existing section of the runbook, and every section of an alarm has one', () => {
    const anchors = anchorsOf(readFileSync(join(PROJECT_ROOT, 'docs/runbook.md'), 'utf8'));
    const linked = alarms.map(({ AlarmDescription }) => {
      const [, file = '', anchor = ''] = /What to do: (\S+)#(\S+)$/.exec(String(AlarmDescription)) ?? [];
      expect(existsSync(join(PROJECT_ROOT, file))).toBe(true);
      expect(anchors).toContain(anchor);
      return anchor;
    });
    const first = anchors.indexOf('alarms') + 1;
    const last = anchors.indexOf('replaying-quarantined-records');
    expect(anchors.slice(first, last).sort()).toEqual([...new Set(linked)].sort());
  });

  it('tells the topic when it begins and when it ends', () => {
    for (const { AlarmActions, OKActions } of alarms) {
      expect(AlarmActions).toEqual([{ Ref: expect.stringContaining('AlarmTopic') }]);
      expect(OKActions).toEqual(AlarmActions);
    }
  });

  it('takes no data for no traffic', () => {
    for (const { TreatMissingData } of alarms) expect(TreatMissingData).toBe('notBreaching');
  });
});

group('the alarm topic', () => {
  it('is encrypted with a key that rotates and that CloudWatch of this account may use', () => {
    template.hasResourceProperties('AWS::SNS::Topic', { KmsMasterKeyId: Match.anyValue() });
    template.hasResourceProperties('AWS::KMS::Key', {
      EnableKeyRotation: true,
      KeyPolicy: {
        Statement: Match.arrayWith([
          Match.objectLike({
            Principal: { Service: 'cloudwatch.amazonaws.com' },
            Action: ['kms:Decrypt', 'kms:GenerateDataKey'],
            Condition: { StringEquals: { 'aws:SourceAccount': { Ref: 'AWS::AccountId' } } },
          }),
        ]),
      },
    });
  });

  it('takes messages from CloudWatch, and from nobody without TLS', () => {
    template.hasResourceProperties('AWS::SNS::TopicPolicy', {
      PolicyDocument: {
        Statement: Match.arrayWith([
          Match.objectLike({ Effect: 'Deny', Condition: { Bool: { 'aws:SecureTransport': 'false' } } }),
          Match.objectLike({
            Effect: 'Allow',
            Principal: { Service: 'cloudwatch.amazonaws.com' },
            Action: 'sns:Publish',
          }),
        ]),
      },
    });
  });

  it('writes to the address that the deployment names, if it names one', () => {
    template.resourceCountIs('AWS::SNS::Subscription', 0);
    synthesize('prod', { config: { alarmEmail: 'on-call@example.com' } }).stateless.template.hasResourceProperties(
      'AWS::SNS::Subscription',
      { Protocol: 'email', Endpoint: 'on-call@example.com' },
    );
  });
});

group('the dashboard', () => {
  const text = dashboardText(template);

  it('shows serving latency in the buckets that were asked for', () => {
    for (const rank of ['PR(:1)', 'PR(1:5)', 'PR(5:10)', 'PR(10:25)', 'PR(25:50)', 'PR(50:100)', 'PR(100:)']) {
      expect(text).toContain(`"stat":"${rank}"`);
    }
  });

  it('shows every metric that the functions write', () => {
    const metrics = {
      ...SERVE_METRICS,
      ...UPDATE_WINDOWS_METRICS,
      ...LAND_EVENTS_METRICS,
      ...ROW_METRICS,
      ...TRAINING_SET_METRICS,
    };
    for (const name of Object.values(metrics)) {
      expect(text).toContain(name);
    }
  });

  it('shows every view', () => {
    for (const view of repository.views) expect(text).toContain(`"view","${view.key}"`);
  });
});

/** The body of the dashboard, with references left out of its text. */
function dashboardText(of: Template): string {
  const body = onlyResourceOf(of, 'AWS::CloudWatch::Dashboard').Properties.DashboardBody as {
    readonly 'Fn::Join': [string, readonly unknown[]];
  };
  return body['Fn::Join'][1].filter((part) => typeof part === 'string').join('');
}

group('commands of the runbook', () => {
  const runbook = readFileSync(join(PROJECT_ROOT, 'docs/runbook.md'), 'utf8');

  it('ask for outputs that the stacks have', () => {
    const outputs = { Stateful: stacks.stateful.template, Stateless: stacks.stateless.template };
    const asked = [...runbook.matchAll(/\boutputs (Stateful|Stateless) (\w+)/g)];
    expect(asked.length).toBeGreaterThan(7);
    const missing = asked.filter(([, stack, name = '']) => {
      const template = stack === 'Stateful' ? outputs.Stateful : outputs.Stateless;
      return Object.keys(template.findOutputs(name)).length === 0;
    });
    expect(missing.map(([call]) => call)).toEqual([]);
  });

  it('use variables that one of them sets', () => {
    const used = new Set([...runbook.matchAll(/\$([A-Z][A-Z_]+)\b/g)].map(([, name = '']) => name));
    const set = new Set([...runbook.matchAll(/\b([A-Z][A-Z_]+)=/g)].map(([, name = '']) => name));
    // Of the training set that is asked about.
    expect([...used].filter((name) => !set.has(name))).toEqual(['ID']);
  });
});

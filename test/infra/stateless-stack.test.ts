import { Match } from 'aws-cdk-lib/assertions';
import { expect, describe as group, it } from 'vitest';
import { ENV } from '../../functions/constants.ts';
import { LAND_EVENTS_ENV } from '../../functions/land-events/constants.ts';
import { MAKE_TRAINING_SET_ENV } from '../../functions/make-training-set/constants.ts';
import { SERVE_ENV } from '../../functions/serve/constants.ts';
import { openApiDocument } from '../../functions/serve/openapi.ts';
import type { ApiDescription } from '../../functions/serve/ports.ts';
import { TRAINING_SETS_ENV } from '../../functions/training-sets/constants.ts';
import { UPDATE_WINDOWS_ENV } from '../../functions/update-windows/constants.ts';
import { quarantineObject } from '../../functions/update-windows/quarantine.ts';
import { DECISION_PREFIXES } from '../../infra/constructs/decisions-bucket.ts';
import { quarantinePrefixOf } from '../../infra/constructs/window-updater.ts';
import { repository } from '../../shared/features/index.ts';
import { DEFAULT_CONFIGURATION } from '../../shared/scoring/configuration.ts';
import { activate, modelObjectName } from '../../shared/scoring/decision-store.ts';
import { API } from '../support/api-description.ts';
import { MemoryObjectStore } from '../support/memory-object-store.ts';
import { onlyResourceOf, type Resource, resourcesOf, STAGES, statementsOf, synthesize } from './synthesize.ts';

const prod = synthesize('prod').stateless;
const dev = synthesize('dev').stateless;
const local = synthesize('local', { config: { endpointUrl: 'http://localhost:4566' } }).stateless;

function environmentOf(resources: readonly Resource[], description: RegExp): string[] {
  const found = resources.find(({ Properties }) => description.test(String(Properties.Description)));
  if (!found) throw new Error(`No function is described as ${description}`);
  const { Variables } = found.Properties.Environment as { readonly Variables: Readonly<Record<string, unknown>> };
  return Object.keys(Variables).sort();
}

group('functions', () => {
  const functions = resourcesOf(prod.template, 'AWS::Lambda::Function');
  const serving = /^Serves /;
  const consuming = /^Updates /;
  const landing = /^Lands /;
  const making = /^Makes training sets /;
  const answeringForThem = /^Answers requests for training sets/;

  it('run on Node 24 on ARM', () => {
    expect(functions).toHaveLength(4 + 2 * repository.sources.length);
    for (const { Properties } of functions) {
      expect(Properties).toMatchObject({ Runtime: 'nodejs24.x', Architectures: ['arm64'], Handler: 'index.handler' });
    }
  });

  it('get the environment variables that their constants name, and no others', () => {
    const common = ['NODE_OPTIONS', ENV.metricsNamespace, ENV.production];
    const online = [...common, ENV.tableName, ENV.rowStreamNames];
    // In front of people, no answer waits for its rows, and none takes as long as an emulator does.
    const { waitsForRows: _waits, deadlineMillis: _deadline, ...inFrontOfPeople } = SERVE_ENV;
    const ofServing = Object.values(inFrontOfPeople);
    expect(environmentOf(functions, serving)).toEqual([...online, ...ofServing].sort());
    expect(environmentOf(functions, consuming)).toEqual([...online, ...Object.values(UPDATE_WINDOWS_ENV)].sort());
    expect(environmentOf(functions, landing)).toEqual([...common, ...Object.values(LAND_EVENTS_ENV)].sort());
    expect(environmentOf(functions, making)).toEqual([...common, ...Object.values(MAKE_TRAINING_SET_ENV)].sort());
    expect(environmentOf(functions, answeringForThem)).toEqual([...common, ...Object.values(TRAINING_SETS_ENV)].sort());
  });

  it('are told whether their stage is production', () => {
    for (const [{ template }, production] of [
      [local, 'false'] as const,
      [dev, 'false'] as const,
      [prod, 'true'] as const,
    ]) {
      for (const { Properties } of resourcesOf(template, 'AWS::Lambda::Function')) {
        expect(Properties.Environment).toMatchObject({ Variables: { [ENV.production]: production } });
      }
    }
  });

  it('are told the endpoint of a local deployment', () => {
    const localFunctions = resourcesOf(local.template, 'AWS::Lambda::Function');
    for (const description of [serving, consuming]) {
      expect(environmentOf(localFunctions, description)).toContain(ENV.endpoint);
    }
    expect(environmentOf(localFunctions, serving)).toEqual(
      expect.arrayContaining([SERVE_ENV.waitsForRows, SERVE_ENV.deadlineMillis]),
    );
    local.template.allResourcesProperties('AWS::Lambda::Function', {
      Environment: { Variables: { [ENV.endpoint]: 'http://localhost:4566' } },
    });
  });

  it('write to log groups that forget, in every stage', () => {
    for (const { template } of [prod, dev, local]) {
      const logGroups = resourcesOf(template, 'AWS::Logs::LogGroup');
      // Functions, deliveries, and the access log of the API.
      const writers = ['AWS::Lambda::Function', 'AWS::KinesisFirehose::DeliveryStream'];
      expect(logGroups).toHaveLength(1 + writers.flatMap((type) => resourcesOf(template, type)).length);
      for (const { Properties } of logGroups) expect(Properties.RetentionInDays).toBeGreaterThan(0);
      for (const { Properties } of resourcesOf(template, 'AWS::Lambda::Function')) {
        expect(Properties.LoggingConfig).toEqual({ LogGroup: { Ref: expect.any(String) } });
      }
    }
  });
});

group('permissions', () => {
  const ownLog = {
    actions: ['logs:CreateLogStream', 'logs:PutLogEvents'],
    resources: [expect.stringContaining('Log')],
  };
  const table = {
    actions: ['dynamodb:BatchGetItem', 'dynamodb:GetItem', 'dynamodb:UpdateItem'],
    resources: [expect.stringContaining('OnlineTable')],
  };

  it('of the consumer are those it uses, on its own stream, the table and two prefixes of the quarantine', () => {
    expect(statementsOf(prod.template, 'Consumertransactions')).toEqual(
      [
        ownLog,
        { actions: ['firehose:PutRecordBatch'], resources: [expect.stringContaining('Rowsfeatures')] },
        table,
        {
          actions: [
            'kinesis:DescribeStream',
            'kinesis:DescribeStreamSummary',
            'kinesis:GetRecords',
            'kinesis:GetShardIterator',
            'kinesis:ListShards',
          ],
          resources: [expect.stringContaining('Streamtransactions')],
        },
        { actions: ['s3:ListBucket'], resources: [expect.stringContaining('Quarantine')] },
        {
          actions: ['s3:PutObject'],
          resources: [
            expect.stringMatching(/Quarantine.*\/aws\/lambda\/\*/),
            expect.stringMatching(/Quarantine.*\/quarantine\/transactions\/\*/),
          ],
        },
      ].map((statement) => ({ effect: 'Allow', ...statement })),
    );
  });

  it('of the serving function are those it uses, on the table and the streams', () => {
    expect(statementsOf(prod.template, 'Serving')).toEqual(
      [
        ownLog,
        {
          actions: ['firehose:PutRecordBatch'],
          resources: [expect.stringContaining('Rowsdecidedtransactions'), expect.stringContaining('Rowsserved')],
        },
        table,
        {
          actions: ['kinesis:DescribeStreamSummary', 'kinesis:PutRecord', 'kinesis:PutRecords'],
          resources: repository.sources
            .map(({ name }) => `Stream${name}`)
            .sort()
            .map((name) => expect.stringContaining(name)),
        },
        { actions: ['s3:ListBucket'], resources: [expect.stringContaining('DecisionsBucket')] },
        {
          actions: ['s3:GetObject'],
          resources: DECISION_PREFIXES.map((prefix) =>
            expect.stringMatching(new RegExp(`DecisionsBucket.*/${prefix}\\*`)),
          ),
        },
      ].map((statement) => ({ effect: 'Allow', ...statement })),
    );
  });

  it('of the consumer cover the objects that it writes', () => {
    const record = {
      sequenceNumber: '1',
      partitionKey: 'user-1',
      arrivedAtMillis: 0,
      data: new Uint8Array(),
      problems: [],
    };
    for (const source of repository.sources) {
      const { key } = quarantineObject([record], { sourceName: source.name, registryVersion: '' });
      expect(key.startsWith(quarantinePrefixOf(source))).toBe(true);
    }
  });

  it('of the serving function cover configurations and models', async () => {
    const store = new MemoryObjectStore();
    for (const service of repository.services) {
      await activate(store, service, DEFAULT_CONFIGURATION);
      await store.put(modelObjectName(service, 'boosted_trees@1'), Buffer.of());
    }
    expect(store.objects.size).toBeGreaterThan(0);
    for (const name of store.objects.keys()) {
      expect(DECISION_PREFIXES.filter((prefix) => name.startsWith(prefix))).toHaveLength(1);
    }
  });

  it('come from no managed policy', () => {
    for (const { Properties } of resourcesOf(prod.template, 'AWS::IAM::Role')) {
      expect(Properties).not.toHaveProperty('ManagedPolicyArns');
    }
  });
});

group('the delivery of events', () => {
  it('hands back single records, halves what crashes, tries often, and keeps what it gives up', () => {
    prod.template.hasResourceProperties('AWS::Lambda::EventSourceMapping', {
      FunctionResponseTypes: ['ReportBatchItemFailures'],
      BisectBatchOnFunctionError: true,
      MaximumRetryAttempts: 30,
      MaximumRecordAgeInSeconds: 43_200,
      DestinationConfig: {
        OnFailure: { Destination: { 'Fn::ImportValue': Match.stringLikeRegexp('Quarantine.*Arn') } },
      },
      MetricsConfig: { Metrics: ['EventCount'] },
    });
  });

  it('misses no event from before the consumer existed, and waits for no batch to fill', () => {
    prod.template.hasResourceProperties('AWS::Lambda::EventSourceMapping', {
      StartingPosition: 'TRIM_HORIZON',
      BatchSize: 500,
      MaximumBatchingWindowInSeconds: Match.absent(),
      TumblingWindowInSeconds: Match.absent(),
      ParallelizationFactor: 4,
      Enabled: true,
    });
  });

  it('gives up no later than the stream forgets', () => {
    for (const stage of STAGES) {
      const { stateful, stateless } = synthesize(stage);
      const retentionHours = resourcesOf(stateful.template, 'AWS::Kinesis::Stream').map(({ Properties }) =>
        Number(Properties.RetentionPeriodHours),
      );
      const mappings = resourcesOf(stateless.template, 'AWS::Lambda::EventSourceMapping');
      expect(mappings).toHaveLength(repository.sources.length);
      for (const { Properties } of mappings) {
        expect(Number(Properties.MaximumRecordAgeInSeconds)).toBeLessThan(Math.min(...retentionHours) * 3_600);
      }
    }
  });

  it('is left to a poller of ours in the local stage', () => {
    local.template.hasResourceProperties('AWS::Lambda::EventSourceMapping', { Enabled: false });
  });
});

/** What the OpenAPI document of a deployment says there is. */
function documentedRoutes(api: ApiDescription): string[] {
  const { paths } = openApiDocument(repository, api) as { readonly paths: Readonly<Record<string, object>> };
  return Object.entries(paths).flatMap(([path, item]) =>
    Object.keys(item).map((method) => `${method.toUpperCase()} ${path}`),
  );
}

group('the API', () => {
  it('has the routes of the document and one for everything else, and asks for a signature on each', () => {
    const routes = resourcesOf(prod.template, 'AWS::ApiGatewayV2::Route').map(({ Properties }) => Properties);
    expect(routes.map(({ RouteKey }) => RouteKey).sort()).toEqual(
      ['$default', ...documentedRoutes({ ...API, offersTrainingSets: true })].sort(),
    );
    const withoutHistory = synthesize('prod', { config: { landing: { by: 'nobody' } } }).stateless;
    expect(
      resourcesOf(withoutHistory.template, 'AWS::ApiGatewayV2::Route')
        .map(({ Properties }) => Properties.RouteKey)
        .sort(),
    ).toEqual(['$default', ...documentedRoutes({ ...API, offersTrainingSets: false })].sort());
    for (const { AuthorizationType } of routes) expect(AuthorizationType).toBe('AWS_IAM');
  });

  it('may call the function by every route, also by the one for everything else, whose address is shorter', () => {
    const addresses = resourcesOf(prod.template, 'AWS::Lambda::Permission')
      .filter(({ Properties }) => Properties.Principal === 'apigateway.amazonaws.com')
      .filter(({ Properties }) => JSON.stringify(Properties.FunctionName).includes('ServingServe'))
      .map(({ Properties }) => JSON.stringify(Properties.SourceArn).split('"},"').at(-1));
    expect(addresses.map((address) => address?.replace(/[^/*]/g, '')).sort()).toEqual(['/*/*', '/*/*/*']);
  });

  it('refuses at synth what the function could not start with', () => {
    const broken = {
      ...repository,
      sources: repository.sources.map((source) => ({
        ...source,
        fieldList: [...source.fieldList, { name: 'events', wireName: 'events', type: { kind: 'text' } }],
      })),
    };
    expect(() => synthesize('prod', { repository: broken as never })).toThrow(
      'the API has another meaning for "events"',
    );
  });

  it('asks for none in the emulator', () => {
    local.template.allResourcesProperties('AWS::ApiGatewayV2::Route', { AuthorizationType: 'NONE' });
  });

  it('speaks payload version 2 to the function', () => {
    prod.template.hasResourceProperties('AWS::ApiGatewayV2::Integration', { PayloadFormatVersion: '2.0' });
  });

  it('refuses more requests than the stage allows', () => {
    prod.template.hasResourceProperties('AWS::ApiGatewayV2::Stage', {
      StageName: '$default',
      DefaultRouteSettings: { ThrottlingRateLimit: 2_000, ThrottlingBurstLimit: 4_000 },
      RouteSettings: {
        'POST /training-sets': { ThrottlingRateLimit: 1, ThrottlingBurstLimit: 10 },
        $default: { ThrottlingRateLimit: 10, ThrottlingBurstLimit: 20 },
      },
    });
  });

  it('logs one line per request, of which no part is a body', () => {
    const stage = onlyResourceOf(prod.template, 'AWS::ApiGatewayV2::Stage');
    const { DestinationArn, Format } = stage.Properties.AccessLogSettings as {
      DestinationArn: unknown;
      Format: string;
    };
    expect(DestinationArn).toEqual({ 'Fn::GetAtt': [expect.stringContaining('AccessLog'), 'Arn'] });
    expect(Object.keys(JSON.parse(Format))).toContain('requestId');
    expect(Format).not.toMatch(/body|input|payload/i);
  });
});

group('the deployment', () => {
  it('says where everything is', () => {
    const outputs = Object.keys(prod.template.findOutputs('*'));
    expect(outputs).toEqual(
      expect.arrayContaining(['ApiUrl', 'ApiId', 'ServeFunctionName', 'ConsumerFunctionNames', 'RegistryVersion']),
    );
    prod.template.hasOutput('RegistryVersion', { Value: repository.registryVersion });
  });

  it('leaves alarms out where nothing could evaluate them', () => {
    local.template.resourceCountIs('AWS::CloudWatch::Alarm', 0);
    local.template.resourceCountIs('AWS::CloudWatch::Dashboard', 0);
  });
});

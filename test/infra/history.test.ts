import { Match } from 'aws-cdk-lib/assertions';
import { expect, describe as group, it } from 'vitest';
import { ENV, ROW_METRICS } from '../../functions/constants.ts';
import { LAND_EVENTS_METRICS } from '../../functions/land-events/constants.ts';
import { transactions } from '../../shared/features/fraud.ts';
import { repository } from '../../shared/features/index.ts';
import { LIMITS } from '../../shared/limits.ts';
import {
  historyErrorPrefixOf,
  historyPrefixOf,
  historySchema,
  PARTITION,
} from '../../shared/offline/history-schema.ts';
import { ROW_LOGS } from '../../shared/offline/row-logs.ts';
import {
  configOf,
  type Properties,
  type Resource,
  resourcesOf,
  STAGES,
  statementsOf,
  synthesize,
} from './synthesize.ts';

const { stateful, stateless } = synthesize('prod');
const dev = synthesize('dev');
const local = synthesize('local');

const ROW_TABLES = Object.values(ROW_LOGS);
const DECIDED = repository.sources.filter((source) => repository.services.some(({ decides }) => decides === source));

/** Everything that lands rows: by the beginning of its id, its table, and where its files lie. */
const ROW_DELIVERIES = [
  { id: 'Rowsserved', table: 'served_rows', prefix: 'served_rows/', name: 'landed', writer: 'Serving' },
  { id: 'Rowsfeatures', table: 'feature_rows', prefix: 'feature_rows/', name: 'landed', writer: 'Consumer' },
  {
    id: 'Rowsdecidedtransactions',
    table: 'raw_transactions',
    prefix: 'raw/transactions/',
    name: 'decided',
    writer: 'Serving',
  },
] as const;

const HISTORY_BUCKET = { Ref: expect.stringContaining('HistoryBucket') };

interface TableInput {
  readonly Name: string;
  readonly Parameters: Readonly<Record<string, unknown>>;
  readonly PartitionKeys: readonly Properties[];
  readonly StorageDescriptor: { readonly Location: unknown; readonly Columns: readonly Properties[] };
}

group('the bucket of history', () => {
  it('keeps everything, older files at a lower price, and what could not be landed for 90 days', () => {
    stateful.template.hasResource('AWS::S3::Bucket', {
      DeletionPolicy: 'Retain',
      UpdateReplacePolicy: 'Retain',
      Properties: {
        VersioningConfiguration: { Status: 'Enabled' },
        LoggingConfiguration: { DestinationBucketName: { Ref: Match.stringLikeRegexp('HistoryAccessLogs') } },
        LifecycleConfiguration: {
          Rules: [
            Match.objectLike({ NoncurrentVersionExpiration: { NoncurrentDays: 30 } }),
            ...['raw/', 'served_rows/', 'feature_rows/'].map((Prefix) => ({
              Prefix,
              Status: 'Enabled',
              Transitions: [{ StorageClass: 'STANDARD_IA', TransitionInDays: 90 }],
            })),
            { Prefix: 'errors/', Status: 'Enabled', ExpirationInDays: 90 },
            { Prefix: 'training-sets/', Status: 'Enabled', ExpirationInDays: 90 },
            { Prefix: 'athena-results/', Status: 'Enabled', ExpirationInDays: 7 },
            { Prefix: 'training-set-scratch/', Status: 'Enabled', ExpirationInDays: 1 },
          ],
        },
      },
    });
    const [rule = {}] = resourcesOf(stateful.template, 'AWS::S3::Bucket')
      .map(({ Properties }) => Properties.LifecycleConfiguration as { Rules: Properties[] })
      .filter(({ Rules }) => Rules.length === 8)
      .map(({ Rules }) => Rules[0]);
    expect(rule).not.toHaveProperty('ExpirationInDays');
  });

  it('can be deleted in development', () => {
    for (const type of ['AWS::S3::Bucket', 'AWS::Glue::Database', 'AWS::Glue::Table']) {
      for (const { DeletionPolicy } of resourcesOf(dev.stateful.template, type)) expect(DeletionPolicy).toBe('Delete');
      for (const { DeletionPolicy } of resourcesOf(stateful.template, type)) expect(DeletionPolicy).toBe('Retain');
    }
  });
});

group.each(repository.sources)('the table of $name', (source) => {
  const { tableName, columns, partitionColumns } = historySchema(source);
  const table = resourcesOf(stateful.template, 'AWS::Glue::Table')
    .map(({ Properties }) => Properties.TableInput as TableInput)
    .find(({ Name }) => Name === tableName);

  it('has the columns of the declaration', () => {
    const glueColumn = ({ name, hiveType }: (typeof columns)[number]) => ({ Name: name, Type: hiveType });
    expect(table?.StorageDescriptor.Columns).toEqual(columns.map(glueColumn));
    expect(table?.PartitionKeys).toEqual(partitionColumns.map(glueColumn));
  });

  it('finds its partitions by computation, from the oldest event that is accepted to tomorrow', () => {
    expect(table?.Parameters).toMatchObject({
      classification: 'parquet',
      'projection.enabled': 'true',
      'projection.event_date.type': 'date',
      'projection.event_date.format': 'yyyy-MM-dd',
      'projection.event_date.range': '2000-01-01,NOW+1DAYS',
      'projection.event_hour.type': 'integer',
      'projection.event_hour.range': '0,23',
      'projection.event_hour.digits': '2',
    });
    expect(LIMITS.earliestInstantMillis).toBe(Date.UTC(2000, 0, 1));
    stateful.template.resourceCountIs('AWS::Glue::Crawler', 0);
  });

  it('reads where the delivery writes', () => {
    const location = `/${historyPrefixOf(source)}`;
    expect(table?.StorageDescriptor.Location).toEqual({ 'Fn::Join': ['', ['s3://', HISTORY_BUCKET, location]] });
    const path = Object.values(PARTITION).map((column) => `${column}=\${${column}}/`);
    expect(table?.Parameters['storage.location.template']).toEqual({
      'Fn::Join': ['', ['s3://', HISTORY_BUCKET, `${location}${path.join('')}`]],
    });
    expect(destinationOf(`Landing${source.name}`).Prefix).toMatch(
      `${location.slice(1)}event_date=!{partitionKeyFromLambda:event_date}/`,
    );
  });
});

/** The delivery stream whose id begins so. */
function deliveryOf(idBeginning: string): Resource & { readonly DependsOn: readonly string[] } {
  const streams = Object.entries(stateless.template.findResources('AWS::KinesisFirehose::DeliveryStream'));
  const [found, ...others] = streams.filter(([logicalId]) => logicalId.startsWith(idBeginning));
  if (!found || others.length > 0)
    throw new Error(`${idBeginning}: not exactly one of ${streams.map(([id]) => id).join(', ')}`);
  return found[1] as ReturnType<typeof deliveryOf>;
}

function destinationOf(idBeginning: string): Properties {
  return deliveryOf(idBeginning).Properties.ExtendedS3DestinationConfiguration as Properties;
}

const destination = () => destinationOf('Landingtransactions');

group.each(ROW_TABLES)('the table $schema.tableName', ({ schema, prefix }) => {
  it('has the columns of the contract, where the delivery writes, and finds partitions by computation', () => {
    const table = resourcesOf(stateful.template, 'AWS::Glue::Table')
      .map(({ Properties }) => Properties.TableInput as TableInput)
      .find(({ Name }) => Name === schema.tableName);
    const glueColumn = ({ name, hiveType }: (typeof schema.columns)[number]) => ({ Name: name, Type: hiveType });
    expect(table?.StorageDescriptor.Columns).toEqual(schema.columns.map(glueColumn));
    expect(table?.PartitionKeys).toEqual(schema.partitionColumns.map(glueColumn));
    expect(table?.StorageDescriptor.Location).toEqual({ 'Fn::Join': ['', ['s3://', HISTORY_BUCKET, `/${prefix}`]] });
    expect(table?.Parameters).toMatchObject({ 'projection.enabled': 'true' });
  });
});

group.each(ROW_DELIVERIES)('the delivery of rows $id', ({ id, table, prefix, name, writer }) => {
  it('takes rows from functions, and encrypts what it holds', () => {
    expect(deliveryOf(id).Properties).toMatchObject({
      DeliveryStreamEncryptionConfigurationInput: { KeyType: 'AWS_OWNED_CMK' },
    });
    expect(deliveryOf(id).Properties).not.toHaveProperty('KinesisStreamSourceConfiguration');
    expect(statementsOf(stateless.template, writer)).toContainEqual({
      effect: 'Allow',
      actions: ['firehose:PutRecordBatch'],
      resources: expect.arrayContaining([expect.stringContaining(id)]),
    });
  });

  it('is known to the function by the name of the table', () => {
    const variables = resourcesOf(stateless.template, 'AWS::Lambda::Function')
      .map(({ Properties }) => JSON.stringify(Properties.Environment))
      .filter((environment) => environment.includes(id));
    expect(variables.length).toBeGreaterThan(0);
    for (const environment of variables) expect(environment).toMatch(new RegExp(`${table}.{0,30}Ref.{0,10}${id}`));
  });

  it('partitions by the columns that rows bring along, without a function', () => {
    expect(destinationOf(id)).toMatchObject({
      Prefix: `${prefix}event_date=!{partitionKeyFromQuery:event_date}/event_hour=!{partitionKeyFromQuery:event_hour}/${name}-!{timestamp:yyyy-MM-dd}-`,
      ErrorOutputPrefix: `errors/${prefix}!{firehose:error-output-type}/!{timestamp:yyyy/MM/dd}/`,
      ProcessingConfiguration: {
        Enabled: true,
        Processors: [
          {
            Type: 'MetadataExtraction',
            Parameters: [
              {
                ParameterName: 'MetadataExtractionQuery',
                ParameterValue: '{"event_date":.event_date,"event_hour":.event_hour}',
              },
              { ParameterName: 'JsonParsingEngine', ParameterValue: 'JQ-1.6' },
            ],
          },
        ],
      },
      DataFormatConversionConfiguration: {
        Enabled: true,
        InputFormatConfiguration: { Deserializer: { HiveJsonSerDe: {} } },
        OutputFormatConfiguration: { Serializer: { ParquetSerDe: { Compression: 'SNAPPY' } } },
      },
      CloudWatchLoggingOptions: { Enabled: true },
    });
  });

  it('may look up its table and write below its prefixes, no more', () => {
    const statements = statementsOf(stateless.template, `${id}DeliveryRole`);
    const others = statements
      .flatMap(({ actions }) => actions)
      .filter((action) => !/^(glue:Get|logs:Put|s3:)/.test(action));
    expect(others).toEqual([]);
    expect(statements).toContainEqual({
      effect: 'Allow',
      actions: expect.arrayContaining(['s3:AbortMultipartUpload', 's3:GetObject', 's3:PutObject']),
      resources: [`/${prefix}*`, `/errors/${prefix}*`].sort().map((path) => expect.stringContaining(path)),
    });
    expect(deliveryOf(id).DependsOn).toEqual(
      expect.arrayContaining([expect.stringMatching(new RegExp(`^${id}DeliveryRole.*DefaultPolicy`))]),
    );
  });

  it('is watched: rows that wait, that did not land, and that were given up', () => {
    const alarms = resourcesOf(stateless.template, 'AWS::CloudWatch::Alarm').map(({ Properties }) => Properties);
    const alarm = (section: string) =>
      alarms.find(({ AlarmName }) => AlarmName === `feature-store-prod-${section}-${table}`);
    expect(alarm('rows-late')).toMatchObject({ MetricName: 'DeliveryToS3.DataFreshness', Threshold: 900 });
    expect(JSON.stringify(alarm('rows-late')?.Dimensions)).toContain(id);
    for (const metric of ['FailedConversion.Records', 'PartitionCountExceeded', 'DeliveryToS3.Success']) {
      expect(JSON.stringify(alarm('rows-not-landed')?.Metrics)).toContain(`"MetricName":"${metric}"`);
    }
    expect(alarm('rows-lost')).toMatchObject({
      MetricName: ROW_METRICS.rowsLost,
      Dimensions: [
        { Name: 'service', Value: writer === 'Serving' ? 'serve' : 'update-windows' },
        { Name: 'table', Value: table },
      ],
      Statistic: 'Sum',
      Threshold: 0,
    });
  });
});

group('the delivery', () => {
  it('reads the stream of its source', () => {
    stateless.template.hasResourceProperties('AWS::KinesisFirehose::DeliveryStream', {
      DeliveryStreamType: 'KinesisStreamAsSource',
      KinesisStreamSourceConfiguration: {
        KinesisStreamARN: { 'Fn::ImportValue': Match.stringLikeRegexp('Streamtransactions') },
      },
    });
  });

  it('partitions by what the function says, without folders of its own below', () => {
    expect(destination()).toMatchObject({
      DynamicPartitioningConfiguration: { Enabled: true },
      Prefix:
        'raw/transactions/event_date=!{partitionKeyFromLambda:event_date}/event_hour=!{partitionKeyFromLambda:event_hour}/landed-!{timestamp:yyyy-MM-dd}-',
      ProcessingConfiguration: {
        Enabled: true,
        Processors: [
          {
            Type: 'Lambda',
            Parameters: expect.arrayContaining([
              { ParameterName: 'LambdaArn', ParameterValue: expect.anything() },
              { ParameterName: 'BufferSizeInMBs', ParameterValue: '1' },
            ]),
          },
        ],
      },
    });
  });

  it('keeps what it could not land below the error prefix, by the kind of failure', () => {
    expect(destination().ErrorOutputPrefix).toBe(
      'errors/raw/transactions/!{firehose:error-output-type}/!{timestamp:yyyy/MM/dd}/',
    );
  });

  it('writes Parquet in the columns of the table, at least every five minutes', () => {
    expect(destination()).toMatchObject({
      BufferingHints: { SizeInMBs: 128, IntervalInSeconds: 300 },
      DataFormatConversionConfiguration: {
        Enabled: true,
        InputFormatConfiguration: { Deserializer: { HiveJsonSerDe: {} } },
        OutputFormatConfiguration: { Serializer: { ParquetSerDe: { Compression: 'SNAPPY' } } },
        SchemaConfiguration: {
          TableName: { 'Fn::ImportValue': expect.stringContaining('HistoryTabletransactions') },
          DatabaseName: { 'Fn::ImportValue': expect.stringContaining('HistoryDatabase') },
        },
      },
      CloudWatchLoggingOptions: { Enabled: true },
    });
  });

  it('exists after the policy of its role', () => {
    expect(deliveryOf('Landingtransactions').DependsOn).toEqual(
      expect.arrayContaining([expect.stringMatching(/^Landingtransactions.*DeliveryRole.*DefaultPolicy/)]),
    );
  });
});

group('permissions', () => {
  it('of the delivery are those it uses, on its stream, its function, its table and two prefixes', () => {
    expect(statementsOf(stateless.template, 'LandingtransactionsDeliveryRole')).toEqual(
      [
        {
          actions: ['kinesis:DescribeStream', 'kinesis:GetRecords', 'kinesis:GetShardIterator', 'kinesis:ListShards'],
          resources: [expect.stringContaining('Streamtransactions')],
        },
        {
          actions: ['lambda:GetFunctionConfiguration', 'lambda:InvokeFunction'],
          resources: [expect.stringContaining('LandEvents'), expect.stringContaining(':$LATEST')],
        },
        {
          actions: ['glue:GetTable', 'glue:GetTableVersion', 'glue:GetTableVersions'],
          resources: [
            expect.stringContaining(':catalog'),
            expect.stringContaining(':database/'),
            expect.stringContaining(':table/'),
          ],
        },
        { actions: ['logs:PutLogEvents'], resources: [expect.stringContaining('DeliveryLog')] },
        {
          actions: ['s3:GetBucketLocation', 's3:ListBucket', 's3:ListBucketMultipartUploads'],
          resources: [expect.stringContaining('HistoryBucket')],
        },
        {
          actions: ['s3:AbortMultipartUpload', 's3:GetObject', 's3:PutObject'],
          resources: [
            expect.stringContaining(`/${historyPrefixOf(transactions)}*`),
            expect.stringContaining(`/${historyErrorPrefixOf(transactions)}*`),
          ],
        },
      ].map(({ actions, resources }) => ({
        effect: 'Allow',
        actions: expect.arrayContaining(actions),
        resources: expect.arrayContaining(resources),
      })),
    );
  });

  it('of the function are to write its log', () => {
    expect(statementsOf(stateless.template, 'LandingtransactionsLandEvents')).toEqual([
      {
        effect: 'Allow',
        actions: ['logs:CreateLogStream', 'logs:PutLogEvents'],
        resources: [expect.stringContaining('Log')],
      },
    ]);
  });
});

group('alarms', () => {
  const alarms = resourcesOf(stateless.template, 'AWS::CloudWatch::Alarm').map(({ Properties }) => Properties);
  const alarm = (name: string) => alarms.find(({ AlarmName }) => AlarmName === `feature-store-prod-${name}`);

  it.each(repository.sources)('tell when events of $name wait for more than 15 minutes', ({ name }) => {
    expect(alarm(`landing-late-${name}`)).toMatchObject({
      Namespace: 'AWS/Firehose',
      MetricName: 'DeliveryToS3.DataFreshness',
      Dimensions: [{ Name: 'DeliveryStreamName', Value: { Ref: expect.stringContaining('Delivery') } }],
      Statistic: 'Maximum',
      Threshold: 900,
      ComparisonOperator: 'GreaterThanThreshold',
    });
  });

  it.each(repository.sources)('tell when a record of $name was not landed, whoever refused it', ({ name }) => {
    const metrics = JSON.stringify(alarm(`landing-errors-${name}`)?.Metrics);
    for (const metric of [
      LAND_EVENTS_METRICS.eventsRefused,
      'FailedConversion.Records',
      'PartitionCountExceeded',
      'ExecuteProcessing.Success',
      'DeliveryToS3.Success',
    ]) {
      expect(metrics).toContain(`"MetricName":"${metric}"`);
    }
  });
});

group('a stage that does not land history', () => {
  it('is the local one, where only the store of history exists', () => {
    expect(STAGES.filter((stage) => configOf(stage).landing.by === 'nobody')).toEqual(['local']);
    local.stateless.template.resourceCountIs('AWS::KinesisFirehose::DeliveryStream', 0);
    local.stateful.template.resourceCountIs('AWS::Glue::Table', repository.sources.length + ROW_TABLES.length);
  });

  it('lands it when the deployment says so', () => {
    expect(configOf('local', { landsHistory: true }).landing).toEqual({ by: 'firehose' });
    expect(configOf('prod', { landsHistory: false }).landing).toEqual({ by: 'nobody' });
    const { template } = synthesize('local', { config: { landing: { by: 'firehose' } } }).stateless;
    template.resourceCountIs(
      'AWS::KinesisFirehose::DeliveryStream',
      repository.sources.length + ROW_TABLES.length + DECIDED.length,
    );
  });
});

group('a stage whose history a lander of this machine lands', () => {
  const url = 'http://127.0.0.1:4567';
  const { template } = synthesize('local', {
    config: configOf('local', { landerUrl: url, endpointUrl: 'http://localhost:4566' }),
  }).stateless;
  const environmentOf = (description: RegExp) => {
    const [found] = resourcesOf(template, 'AWS::Lambda::Function').filter(({ Properties }) =>
      description.test(String(Properties.Description)),
    );
    return (found?.Properties.Environment as { Variables: Record<string, unknown> } | undefined)?.Variables ?? {};
  };

  it('deploys no delivery stream, no function that lands, and nothing that may use either', () => {
    const types = Object.values(template.toJSON().Resources as Record<string, { Type: string }>).map(
      ({ Type }) => Type,
    );
    expect(types.filter((type) => type.startsWith('AWS::KinesisFirehose'))).toEqual([]);
    expect(JSON.stringify(template.toJSON())).not.toContain('firehose:');
    expect(environmentOf(/^Lands the events/)).toEqual({});
  });

  it('has functions hand their rows to it, by the names of the tables', () => {
    const namesOf = (description: RegExp) => JSON.parse(String(environmentOf(description)[ENV.rowStreamNames]));
    expect(namesOf(/^Updates window counters/)).toEqual({ feature_rows: 'feature_rows' });
    expect(namesOf(/^Serves online features/)).toEqual({
      served_rows: 'served_rows',
      raw_transactions: 'raw_transactions',
    });
    for (const description of [/^Updates window counters/, /^Serves online features/]) {
      expect(environmentOf(description)[ENV.rowEndpoint]).toBe(url);
    }
  });

  it('makes training sets and audits, as where delivery streams land', () => {
    const paths = resourcesOf(template, 'AWS::ApiGatewayV2::Route').map(({ Properties }) => Properties.RouteKey);
    expect(paths).toContain('POST /training-sets');
    expect(environmentOf(/^Makes training sets/)).not.toEqual({});
    expect(environmentOf(/^Recomputes a sample/)).not.toEqual({});
  });

  it('keeps results of the audit in the bucket, where an emulator finds them', () => {
    for (const { Properties } of resourcesOf(template, 'AWS::Athena::WorkGroup')) {
      expect(JSON.stringify(Properties)).toContain('athena-results/');
    }
  });

  it.each([
    ['delivery streams beside it', { landerUrl: url, landsHistory: true }, /exclude each other/],
    ['what is not a URL', { landerUrl: '4567' }, /write a URL/],
  ])('refuses %s', (_, options, message) => {
    expect(() => configOf('local', options)).toThrow(message);
  });
});

import { Match } from 'aws-cdk-lib/assertions';
import { expect, describe as group, it } from 'vitest';
import { LAND_EVENTS_METRICS } from '../../functions/land-events/constants.ts';
import { configOf, STAGES } from '../../infra/config.ts';
import { repository } from '../../shared/features/index.ts';
import { LIMITS } from '../../shared/limits.ts';
import {
  historyErrorPrefixOf,
  historyPrefixOf,
  historySchema,
  PARTITION,
} from '../../shared/offline/history-schema.ts';
import { onlyResourceOf, type Properties, resourcesOf, statementsOf, synthesize } from './synthesize.ts';

const { stateful, stateless } = synthesize('prod');
const dev = synthesize('dev');
const local = synthesize('local');

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
            { Prefix: 'raw/', Status: 'Enabled', Transitions: [{ StorageClass: 'STANDARD_IA', TransitionInDays: 90 }] },
            { Prefix: 'errors/', Status: 'Enabled', ExpirationInDays: 90 },
          ],
        },
      },
    });
    const [rule = {}] = resourcesOf(stateful.template, 'AWS::S3::Bucket')
      .map(({ Properties }) => Properties.LifecycleConfiguration as { Rules: Properties[] })
      .filter(({ Rules }) => Rules.length === 3)
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
    expect(LIMITS.earliestEventTimeMillis).toBe(Date.UTC(2000, 0, 1));
    stateful.template.resourceCountIs('AWS::Glue::Crawler', 0);
  });

  it('reads where the delivery writes', () => {
    const location = `/${historyPrefixOf(source)}`;
    expect(table?.StorageDescriptor.Location).toEqual({ 'Fn::Join': ['', ['s3://', HISTORY_BUCKET, location]] });
    const path = Object.values(PARTITION).map((column) => `${column}=\${${column}}/`);
    expect(table?.Parameters['storage.location.template']).toEqual({
      'Fn::Join': ['', ['s3://', HISTORY_BUCKET, `${location}${path.join('')}`]],
    });
    expect(destination().Prefix).toMatch(`${location.slice(1)}event_date=!{partitionKeyFromLambda:event_date}/`);
  });
});

function destination(): Properties {
  const stream = onlyResourceOf(stateless.template, 'AWS::KinesisFirehose::DeliveryStream');
  return stream.Properties.ExtendedS3DestinationConfiguration as Properties;
}

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
    const { DependsOn } = onlyResourceOf(stateless.template, 'AWS::KinesisFirehose::DeliveryStream') as unknown as {
      DependsOn: string[];
    };
    expect(DependsOn).toEqual(
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
          resources: repository.sources.flatMap((source) => [
            expect.stringContaining(`/${historyPrefixOf(source)}*`),
            expect.stringContaining(`/${historyErrorPrefixOf(source)}*`),
          ]),
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
    expect(STAGES.filter((stage) => !configOf(stage).landsHistory)).toEqual(['local']);
    local.stateless.template.resourceCountIs('AWS::KinesisFirehose::DeliveryStream', 0);
    local.stateful.template.resourceCountIs('AWS::Glue::Table', repository.sources.length);
  });

  it('lands it when the deployment says so', () => {
    expect(configOf('local', { landsHistory: true }).landsHistory).toBe(true);
    expect(configOf('prod', { landsHistory: false }).landsHistory).toBe(false);
    const { template } = synthesize('local', { config: { landsHistory: true } }).stateless;
    template.resourceCountIs('AWS::KinesisFirehose::DeliveryStream', repository.sources.length);
  });
});

import { CfnOutput, Stack, type StackProps } from 'aws-cdk-lib';
import type { Table } from 'aws-cdk-lib/aws-dynamodb';
import type { Bucket } from 'aws-cdk-lib/aws-s3';
import type { Construct } from 'constructs';
import type { FeatureRepository } from '../shared/registry/manifest.ts';
import type { StageConfig } from './config.ts';
import { HistoryLanding } from './constructs/history-landing.ts';
import type { HistoryStore } from './constructs/history-store.ts';
import { Monitoring } from './constructs/monitoring.ts';
import { landerIntakes, RowDeliveries } from './constructs/row-deliveries.ts';
import { ServingApi } from './constructs/serving-api.ts';
import { SkewAudit } from './constructs/skew-audit.ts';
import { TrainingSets } from './constructs/training-sets.ts';
import { WindowUpdater } from './constructs/window-updater.ts';
import type { SourceStream } from './stateful-stack.ts';

export interface StatelessStackProps extends StackProps {
  readonly config: StageConfig;
  readonly repository: FeatureRepository;
  readonly onlineTable: Table;
  readonly streams: readonly SourceStream[];
  readonly quarantineBucket: Bucket;
  readonly history: HistoryStore;
  readonly decisionsBucket: Bucket;
}

/**
 * What computes, answers and watches. Can be deleted and deployed again without loss.
 *
 * It refers to the stateful stack by exports (`defaultCrossStackReferences: strong` in `cdk.json`): CloudFormation then
 * refuses to delete a table or a stream that is in use, and every emulator understands them.
 */
export class StatelessStack extends Stack {
  constructor(scope: Construct, id: string, { config, repository, ...props }: StatelessStackProps) {
    const { onlineTable, streams, quarantineBucket, history, decisionsBucket, ...stackProps } = props;
    super(scope, id, stackProps);
    const isKept = config.landing.by !== 'nobody';
    const landsByFirehose = config.landing.by === 'firehose';
    const rows = landsByFirehose ? new RowDeliveries(this, 'Rows', { repository, history, config }) : undefined;
    const intakes = rows ? rows.intakes : landerIntakes(config, repository);
    const consumers = streams.map((sourceStream) => ({
      ...sourceStream,
      updater: new WindowUpdater(this, `Consumer-${sourceStream.source.name}`, {
        ...sourceStream,
        onlineTable,
        quarantineBucket,
        rowDeliveries: intakes.ofConsumers,
        config,
      }),
    }));
    const serving = new ServingApi(this, 'Serving', {
      repository,
      onlineTable,
      decisionsBucket,
      streams,
      rowDeliveries: intakes.ofServing,
      config,
    });
    const landings = landsByFirehose
      ? streams.map((sourceStream) => ({
          ...sourceStream,
          landing: new HistoryLanding(this, `Landing-${sourceStream.source.name}`, {
            ...sourceStream,
            history,
            config,
          }),
        }))
      : [];
    const audit = isKept ? new SkewAudit(this, 'SkewAudit', { history, config }) : undefined;
    const trainingSets = isKept ? new TrainingSets(this, 'TrainingSets', { history, serving, config }) : undefined;
    if (config.monitored) {
      new Monitoring(this, 'Monitoring', {
        config,
        repository,
        onlineTable,
        serving,
        consumers,
        landings,
        rows,
        audit,
        trainingSets,
      });
    }

    new CfnOutput(this, 'ApiUrl', { value: serving.url });
    new CfnOutput(this, 'ApiId', { value: serving.api.apiId });
    if (config.serving.authorization === 'iam') {
      new CfnOutput(this, 'CallerPolicyArns', {
        description: 'JSON: what a caller may do to the managed policy that permits it, for the roles of callers.',
        value: this.toJsonString(serving.callerPolicyArns()),
      });
    }
    new CfnOutput(this, 'ServeFunctionName', { value: serving.function.functionName });
    new CfnOutput(this, 'ConsumerFunctionNames', {
      description: 'JSON: source name to the name of the function that consumes its stream.',
      value: this.toJsonString(
        Object.fromEntries(consumers.map(({ source, updater }) => [source.name, updater.function.functionName])),
      ),
    });
    new CfnOutput(this, 'DeliveryStreamNames', {
      description: 'JSON: source name to the name of the delivery stream that lands its events; empty without landing.',
      value: this.toJsonString(
        Object.fromEntries(
          landings.map(({ source, landing }) => [source.name, landing.deliveryStream.deliveryStreamName]),
        ),
      ),
    });
    new CfnOutput(this, 'LandingFunctionNames', {
      description:
        'JSON: source name to the name of the function that makes its events into rows; empty without landing.',
      value: this.toJsonString(
        Object.fromEntries(landings.map(({ source, landing }) => [source.name, landing.function.functionName])),
      ),
    });
    if (audit) new CfnOutput(this, 'AuditFunctionName', { value: audit.function.functionName });
    new CfnOutput(this, 'RegistryVersion', {
      description: 'Content hash of the declarations that this deployment serves.',
      value: repository.registryVersion,
    });
  }
}

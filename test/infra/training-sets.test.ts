import { expect, describe as group, it } from 'vitest';
import { repository } from '../../shared/features/index.ts';
import { historyPrefixOf } from '../../shared/offline/history-schema.ts';
import { onlyResourceOf, resourcesOf, statementsOf, synthesize } from './synthesize.ts';

const { template } = synthesize('prod').stateless;

function resourcesFor(part: string, action: string): string[] {
  return statementsOf(template, part)
    .filter(({ actions }) => actions.includes(action))
    .flatMap(({ resources }) => resources);
}

const prefixes = (names: readonly string[]) =>
  [...names].sort().map((prefix) => expect.stringContaining(`/${prefix}*`));

group('training sets', () => {
  it('are queried for in a workgroup that limits what is read, and encrypts and forgets results', () => {
    const workgroups = resourcesOf(template, 'AWS::Athena::WorkGroup').map(({ Properties }) => Properties);
    const workgroup = workgroups.find(({ Name }) => Name === 'feature-store-prod-training-sets');
    expect(workgroup?.WorkGroupConfiguration).toMatchObject({
      EnforceWorkGroupConfiguration: true,
      BytesScannedCutoffPerQuery: 1024 ** 4,
      EngineVersion: { SelectedEngineVersion: 'Athena engine version 3' },
      ResultConfiguration: { EncryptionConfiguration: { EncryptionOption: 'SSE_S3' } },
    });
    expect(JSON.stringify(workgroup?.WorkGroupConfiguration)).toContain('/athena-results/"');
  });

  it('are made again once when that may help, and not after an hour in the queue', () => {
    expect(onlyResourceOf(template, 'AWS::Lambda::EventInvokeConfig').Properties).toMatchObject({
      FunctionName: { Ref: expect.stringContaining('TrainingSetsMake') },
      MaximumRetryAttempts: 1,
      MaximumEventAgeInSeconds: 3_600,
    });
  });

  it('are answered for by a function that reaches nothing but them, and may start the other', () => {
    expect(resourcesFor('TrainingSetsApi', 's3:GetObject')).toEqual(prefixes(['training-sets/']));
    expect(resourcesFor('TrainingSetsApi', 's3:PutObject')).toEqual(prefixes(['training-sets/']));
    expect(resourcesFor('TrainingSetsApi', 'lambda:InvokeFunction')).toEqual([
      expect.stringMatching(/^{"Fn::GetAtt":\["TrainingSetsMakeFunction\w+","Arn"\]}$/),
    ]);
    const actions = statementsOf(template, 'TrainingSetsApi').flatMap((statement) => statement.actions);
    expect(actions.filter((action) => /^(athena|glue):/.test(action))).toEqual([]);
  });

  it('are made by a function that reads history and spines, and writes only below prefixes of its own', () => {
    const own = ['training-sets/', 'training-set-scratch/', 'athena-results/'];
    expect(resourcesFor('TrainingSetsMake', 's3:PutObject').sort()).toEqual(prefixes(own));
    expect(resourcesFor('TrainingSetsMake', 's3:GetObject').sort()).toEqual(
      prefixes([...own, 'spines/', ...repository.sources.map(historyPrefixOf)]),
    );
    const actions = statementsOf(template, 'TrainingSetsMake').flatMap((statement) => statement.actions);
    expect(actions.filter((action) => /\*|s3:Delete/.test(action))).toEqual([]);
  });

  it('have tables for their spines, and change no other', () => {
    for (const action of ['glue:CreateTable', 'glue:DeleteTable']) {
      const tables = resourcesFor('TrainingSetsMake', action).filter((resource) => resource.includes(':table/'));
      expect(tables).toEqual([expect.stringContaining('/spine_*')]);
    }
  });

  it('are left out where history is not landed', () => {
    const local = synthesize('local').stateless.template;
    local.resourceCountIs('AWS::Lambda::EventInvokeConfig', 0);
    const routes = resourcesOf(local, 'AWS::ApiGatewayV2::Route').map(({ Properties }) => String(Properties.RouteKey));
    expect(routes.filter((route) => route.includes('training-sets'))).toEqual([]);
  });

  it('that fail are an alarm', () => {
    const names = resourcesOf(template, 'AWS::CloudWatch::Alarm').map(({ Properties }) => Properties.AlarmName);
    expect(names).toContain('feature-store-prod-training-sets-failed');
    expect(names).toContain('feature-store-prod-function-errors-make-training-set');
  });
});

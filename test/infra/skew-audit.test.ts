import { expect, describe as group, it } from 'vitest';
import { AUDIT_METRICS } from '../../functions/audit/constants.ts';
import { repository } from '../../shared/features/index.ts';
import { historyPrefixOf } from '../../shared/offline/history-schema.ts';
import { onlyResourceOf, resourcesOf, statementsOf, synthesize } from './synthesize.ts';

const { template } = synthesize('prod').stateless;
const local = synthesize('local').stateless;

group('the skew audit', () => {
  it('runs every night in a workgroup of its own, which limits what a query reads', () => {
    expect(onlyResourceOf(template, 'AWS::Events::Rule').Properties).toMatchObject({
      ScheduleExpression: 'cron(0 3 * * ? *)',
      State: 'ENABLED',
      Targets: [{ Arn: { 'Fn::GetAtt': [expect.stringContaining('SkewAudit'), 'Arn'] } }],
    });
    const workgroups = resourcesOf(template, 'AWS::Athena::WorkGroup').map(({ Properties }) => Properties);
    expect(workgroups.find(({ Name }) => Name === 'feature-store-prod-audit')).toMatchObject({
      WorkGroupConfiguration: {
        EnforceWorkGroupConfiguration: true,
        BytesScannedCutoffPerQuery: expect.any(Number),
        ManagedQueryResultsConfiguration: { Enabled: true },
      },
    });
  });

  it('may query its workgroup, read what was served and the history, and write reports', () => {
    const statements = statementsOf(template, 'SkewAudit');
    const resourcesFor = (action: string) =>
      statements.filter(({ actions }) => actions.includes(action)).flatMap(({ resources }) => resources);
    const prefixes = (names: readonly string[]) => names.map((prefix) => expect.stringContaining(`/${prefix}*`));
    const readable = ['served_rows/', ...repository.sources.map(historyPrefixOf)];
    expect(resourcesFor('s3:GetObject').sort()).toEqual(prefixes(readable.sort()));
    expect(resourcesFor('s3:PutObject')).toEqual(prefixes(['audits/']));
    const actions = statements.flatMap((statement) => statement.actions);
    expect(actions.filter((action) => /Delete|\*|Create(?!LogStream)/.test(action))).toEqual([]);
  });

  it('tells of what is unexplained, and of what nobody understands', () => {
    const alarm = resourcesOf(template, 'AWS::CloudWatch::Alarm')
      .map(({ Properties }) => Properties)
      .find(({ AlarmName }) => AlarmName === 'feature-store-prod-skew-unexplained');
    expect(alarm).toMatchObject({ Threshold: 0, ComparisonOperator: 'GreaterThanThreshold', EvaluationPeriods: 1 });
    for (const metric of [AUDIT_METRICS.unexplained, AUDIT_METRICS.rowsUnreadable]) {
      expect(JSON.stringify(alarm?.Metrics)).toContain(`"MetricName":"${metric}"`);
    }
    const names = resourcesOf(template, 'AWS::CloudWatch::Alarm').map(({ Properties }) => Properties.AlarmName);
    expect(names).toContain('feature-store-prod-function-errors-audit');
  });

  it('is left out where history is not landed', () => {
    local.template.resourceCountIs('AWS::Athena::WorkGroup', 0);
    local.template.resourceCountIs('AWS::Events::Rule', 0);
  });
});

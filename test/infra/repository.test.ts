import { expect, describe as group, it } from 'vitest';
import * as z from 'zod';
import { count, entity, eventSource, eventTime, identifier, windowedView } from '../../shared/definitions/index.ts';
import { repository } from '../../shared/features/index.ts';
import { featureRepository } from '../../shared/registry/manifest.ts';
import { resourcesOf, synthesize } from './synthesize.ts';

const logins = eventSource({
  name: 'logins',
  description: 'Attempts to sign in.',
  owner: 'identity',
  schema: z.strictObject({ login_id: identifier(), account_id: identifier(), at: eventTime() }),
  eventId: 'login_id',
  eventTime: 'at',
  partitionKey: 'account_id',
  allowedLateness: '10s',
});

const accountLogins = windowedView({
  name: 'account_logins',
  version: 3,
  description: 'How often an account signs in.',
  owner: 'identity',
  entity: entity({ name: 'account', description: 'An account.', joinKeys: ['account_id'] }),
  source: logins,
  windows: { '1h': '1h' },
  features: { login_count: count() },
  ttl: '7d',
});

const extended = featureRepository({
  views: [...repository.views, accountLogins],
  services: repository.services,
});

group('a source and a view that are declared beside the others', () => {
  const before = synthesize('prod');
  const after = synthesize('prod', { repository: extended });

  it('get a stream, which serving may write to', () => {
    after.stateful.template.resourceCountIs('AWS::Kinesis::Stream', repository.sources.length + 1);
    expect(JSON.stringify(after.stateful.template.findOutputs('StreamNames'))).toContain('logins');
    expect(JSON.stringify(after.stateless.template.findResources('AWS::IAM::Policy'))).toMatch(
      /kinesis:PutRecords.*Streamlogins/,
    );
  });

  it('get a consumer and a landing of that stream alone', () => {
    const functions = resourcesOf(after.stateless.template, 'AWS::Lambda::Function');
    expect(functions).toHaveLength(resourcesOf(before.stateless.template, 'AWS::Lambda::Function').length + 2);
    expect(functions.map(({ Properties }) => Properties.Description)).toEqual(
      expect.arrayContaining([
        'Updates window counters from the events of logins.',
        'Lands the events of logins in the history.',
      ]),
    );
    const mappings = resourcesOf(after.stateless.template, 'AWS::Lambda::EventSourceMapping');
    expect(
      mappings.filter(({ Properties }) => JSON.stringify(Properties.EventSourceArn).includes('Streamlogins')),
    ).toHaveLength(1);
  });

  it('get a table of history, and their own delivery into it', () => {
    const tables = resourcesOf(after.stateful.template, 'AWS::Glue::Table');
    const namesOf = (of: typeof tables) => of.map(({ Properties }) => (Properties.TableInput as { Name: string }).Name);
    const known = namesOf(resourcesOf(before.stateful.template, 'AWS::Glue::Table'));
    expect(namesOf(tables).filter((name) => !known.includes(name))).toEqual(['raw_logins']);
    const deliveries = resourcesOf(before.stateless.template, 'AWS::KinesisFirehose::DeliveryStream').length;
    after.stateless.template.resourceCountIs('AWS::KinesisFirehose::DeliveryStream', deliveries + 1);
  });

  it('get alarms', () => {
    const names = (template: typeof after.stateless.template) =>
      resourcesOf(template, 'AWS::CloudWatch::Alarm').map(({ Properties }) => String(Properties.AlarmName));
    const known = names(before.stateless.template);
    const added = names(after.stateless.template).filter((name) => !known.includes(name));
    expect(added.sort()).toEqual(
      [
        'availability-events-logins',
        'batches-given-up-logins',
        'computation-latency-logins',
        'consumer-silent-logins',
        'events-late-logins',
        'events-quarantined-logins',
        'features-stale-account_logins-3',
        'function-errors-land-events-logins',
        'function-errors-update-windows-logins',
        'function-throttles-land-events-logins',
        'function-throttles-update-windows-logins',
        'iterator-age-logins',
        'landing-errors-logins',
        'landing-late-logins',
        'stream-throttles-logins',
        'write-failures-logins',
      ].map((name) => `feature-store-prod-${name}`),
    );
  });

  it('leave what was there before as it was', () => {
    const existing = before.stateful.template.findResources('*');
    expect(after.stateful.template.findResources('*')).toMatchObject(existing);
  });
});

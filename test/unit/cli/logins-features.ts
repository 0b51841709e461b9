/** A domain without cards and amounts: logins, of which two sources could say what became. */
import * as z from 'zod';
import {
  count,
  entity,
  eventSource,
  eventTime,
  featureService,
  identifier,
  windowedView,
} from '../../../shared/definitions/index.ts';
import { featureRepository } from '../../../shared/registry/manifest.ts';

const about = { description: 'of a test', owner: 'tests' };

const logins = eventSource({
  ...about,
  name: 'logins',
  schema: z.strictObject({ login: z.int(), account: identifier(), seen: eventTime(), loss: z.number().optional() }),
  eventId: 'login',
  eventTime: 'seen',
  partitionKey: 'account',
  allowedLateness: '5s',
});

const verdicts = eventSource({
  ...about,
  name: 'verdicts',
  schema: z.strictObject({
    verdict: identifier(),
    login: z.int(),
    account: identifier(),
    is_takeover: z.boolean().nullish(),
    told: eventTime(),
  }),
  eventId: 'verdict',
  eventTime: 'told',
  partitionKey: 'account',
  allowedLateness: '5s',
});

const appeals = eventSource({
  ...about,
  name: 'appeals',
  schema: z.strictObject({
    appeal: identifier(),
    login: z.int(),
    account: identifier(),
    is_upheld: z.boolean(),
    is_paid: z.boolean(),
    filed: eventTime(),
  }),
  eventId: 'appeal',
  eventTime: 'filed',
  partitionKey: 'account',
  allowedLateness: '5s',
});

const account = entity({ name: 'account', description: 'of a test', joinKeys: ['account'] });
const common = {
  ...about,
  version: 1,
  entity: account,
  windows: { '1h': '1h' } as const,
  features: { n: count() },
  ttl: '2d' as const,
};
const loginCounts = windowedView({ ...common, name: 'login_counts', source: logins });
const verdictCounts = windowedView({
  ...common,
  name: 'verdict_counts',
  source: verdicts,
  features: { verdicts: count() },
});
const appealCounts = windowedView({
  ...common,
  name: 'appeal_counts',
  source: appeals,
  features: { appeals: count() },
});

export const repository = featureRepository({
  views: [loginCounts, verdictCounts, appealCounts],
  services: [
    featureService({ ...about, name: 'admission', version: 2, views: [loginCounts], decides: logins }),
    featureService({ ...about, name: 'hearing', version: 1, views: [appealCounts], decides: appeals }),
  ],
});

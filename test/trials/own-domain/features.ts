/** Login takeover: the declarations of somebody who uses the store outside of its repository. */
import {
  count,
  distinct,
  entity,
  eventSource,
  eventTime,
  featureRepository,
  featureService,
  identifier,
  last,
  max,
  mean,
  windowedView,
  z,
} from 'fraud-feature-store';

const account = entity({ name: 'account', description: 'Who logs in.', joinKeys: ['account_id'] });
const device = entity({ name: 'device', description: 'What it is done with.', joinKeys: ['device_id'] });

const logins = eventSource({
  name: 'logins',
  description: 'Attempts to log in.',
  owner: 'identity',
  schema: z.strictObject({
    login_id: identifier(),
    account_id: identifier(),
    device_id: identifier().optional(),
    country: z.string().length(2),
    is_success: z.boolean(),
    typing_ms: z.int().min(0).max(600_000),
    at: eventTime(),
  }),
  fields: { typing_ms: { from: 'typingMs' } },
  eventId: 'login_id',
  eventTime: 'at',
  partitionKey: 'account_id',
  allowedLateness: '1min',
});

const cases = eventSource({
  name: 'cases',
  description: 'What became of logins.',
  owner: 'investigations',
  schema: z.strictObject({
    case_id: identifier(),
    login_id: identifier(),
    account_id: identifier(),
    is_takeover: z.boolean(),
    closed_at: eventTime(),
  }),
  eventId: 'case_id',
  eventTime: 'closed_at',
  partitionKey: 'account_id',
  allowedLateness: '1h',
});

const accountLogins = windowedView({
  name: 'account_logins',
  version: 1,
  description: 'How an account logs in.',
  owner: 'identity',
  entity: account,
  source: logins,
  windows: { '10min': '10min', '24h': '24h' },
  features: {
    logins: count(),
    devices: distinct('device_id'),
    mean_typing: mean('typing_ms'),
    slowest_typing: max('typing_ms'),
    country_before: last('country', { excludesCurrent: true }),
    success_before: last('is_success', { excludesCurrent: true }),
  },
  ttl: '7d',
});

const deviceAccounts = windowedView({
  name: 'device_accounts',
  version: 1,
  description: 'Whom a device fails to be.',
  owner: 'identity',
  entity: device,
  source: logins,
  where: ({ is_success }) => is_success.not(),
  windows: { '1h': '1h' },
  features: { failures_before: count({ excludesCurrent: true }), accounts_failed: distinct('account_id') },
  ttl: '7d',
});

const accountCases = windowedView({
  name: 'account_cases',
  version: 1,
  description: 'Takeovers that an account had.',
  owner: 'investigations',
  entity: account,
  source: cases,
  where: ({ is_takeover }) => is_takeover,
  windows: { '30d': '30d' },
  features: { takeovers: count() },
  ttl: '60d',
});

const loginCheck = featureService({
  name: 'login_check',
  version: 1,
  description: 'Whether a login is let through.',
  owner: 'identity',
  views: [accountLogins, deviceAccounts, accountCases],
  decides: logins,
  derived: {
    is_new_country: ({ country, country_before_24h }) => country.differsFrom(country_before_24h),
    typing_ratio: ({ typing_ms, mean_typing_24h }) => typing_ms.dividedBy(mean_typing_24h),
  },
  rules: {
    STUFFING: {
      when: ({ accounts_failed_1h }) => accounts_failed_1h.isAtLeast(4),
      reason: 'The device failed to be four accounts within an hour.',
      outcome: 'block',
    },
    NEW_COUNTRY: {
      when: ({ is_new_country }) => is_new_country,
      reason: 'The login before it came from another country.',
      outcome: 'review',
    },
    MANY_DEVICES: {
      when: ({ devices_24h }) => devices_24h.isGreaterThan(9),
      reason: 'Ten devices within a day.',
      outcome: 'review',
    },
  },
});

const sessionCheck = featureService({
  name: 'session_check',
  version: 1,
  description: 'Whether a session stays open.',
  owner: 'identity',
  views: [accountLogins],
  features: ['logins_10min', 'devices_24h', 'country_before_24h'],
  decides: logins,
  rules: {
    BUSY: {
      when: ({ logins_10min }) => logins_10min.isGreaterThan(50),
      reason: 'More than fifty logins within ten minutes.',
      outcome: 'review',
    },
  },
});

export const repository = featureRepository({
  views: [accountLogins, deviceAccounts, accountCases],
  services: [loginCheck, sessionCheck],
  aliases: { check_login: loginCheck },
});

/** Logins from another country than the one before: a feature that compares an event with what came before it. */
import {
  entity,
  eventSource,
  eventTime,
  featureRepository,
  featureService,
  identifier,
  last,
  windowedView,
  z,
} from 'fraud-feature-store';

const account = entity({ name: 'account', description: 'Who logs in.', joinKeys: ['account_id'] });

const logins = eventSource({
  name: 'logins',
  description: 'Logins, as they are attempted.',
  owner: 'identity',
  schema: z.strictObject({
    login_id: identifier(),
    account_id: identifier(),
    country: z.string().length(2),
    at: eventTime(),
  }),
  eventId: 'login_id',
  eventTime: 'at',
  partitionKey: 'account_id',
  allowedLateness: '5s',
});

const accountLogins = windowedView({
  name: 'account_logins',
  version: 1,
  description: 'Where an account logged in before.',
  owner: 'identity',
  entity: account,
  source: logins,
  windows: { '30d': '30d' },
  // The login that is decided is not its own last one.
  features: { country_before: last('country', { excludesCurrent: true }) },
  ttl: '60d',
});

const loginCheck = featureService({
  name: 'login_check',
  version: 1,
  description: 'Whether a login is let through.',
  owner: 'identity',
  views: [accountLogins],
  decides: logins,
  // Null for the first login of thirty days: nothing came before it.
  derived: { is_new_country: ({ country, country_before_30d }) => country.differsFrom(country_before_30d) },
  rules: {
    NEW_COUNTRY: {
      when: ({ is_new_country }) => is_new_country,
      reason: 'The login before it came from another country.',
      outcome: 'review',
    },
  },
});

export const repository = featureRepository({ views: [accountLogins], services: [loginCheck] });

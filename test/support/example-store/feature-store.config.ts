import type { StoreConfig } from 'fraud-feature-store';

/** What tests of commands find as the nearest configuration, whatever a user of this repository has written into its own. */
export default {
  name: 'card-fraud-example',
  features: '../../../shared/features/index.ts',
  stages: { dev: {}, prod: { production: true } },
} satisfies StoreConfig;

import type { StoreConfig } from 'fraud-feature-store';

/** The store of this repository: its example of card fraud. One of your own has a file like this beside its features. */
export default {
  name: 'card-fraud-example',
  features: './shared/features/index.ts',
  stages: { dev: {}, prod: { production: true } },
} satisfies StoreConfig;

import { join } from 'node:path';
import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    testTimeout: 180_000,
    hookTimeout: 240_000,
    maxWorkers: 2,
    env: {
      // Deployed functions have the name of their store and stage there.
      POWERTOOLS_METRICS_NAMESPACE: 'FeatureStore',
      // Commands are called there, as it were: the configuration above it may be anybody's.
      INIT_CWD: join(import.meta.dirname, 'test/support/example-store'),
    },
  },
});

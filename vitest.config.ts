import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    testTimeout: 180_000,
    hookTimeout: 240_000,
    maxWorkers: 2,
    // Deployed functions have the name of their store and stage there.
    env: { POWERTOOLS_METRICS_NAMESPACE: 'FeatureStore' },
  },
});

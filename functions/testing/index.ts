/** For tests of one's own declarations: `import { testStore } from 'fraud-feature-store/testing'`. */
export { RefusedError, TestStoreOptionError, type TestStoreOptions } from './options.ts';
export { type SentEvents, type TestStore, testStore } from './test-store.ts';

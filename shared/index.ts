/** Everything that a module of declarations needs: `import { eventSource, z } from 'fraud-feature-store'`. */
export * from './definitions/index.ts';
export * as z from './definitions/zod.ts';
export {
  BooleanExpression,
  caseWhen,
  coalesce,
  literal,
  NumberExpression,
  TextExpression,
} from './expressions/index.ts';
export { type FeatureRepository, featureRepository } from './registry/manifest.ts';
export type { StoreConfig } from './registry/store-config.ts';

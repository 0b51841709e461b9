/** What must never be done without a new version: one window means something else under its old name. */
import { featureRepository } from '../../../shared/registry/manifest.ts';
import { handbookFeatures } from '../declarations.ts';
import { LIVE_VARIANT } from './features.ts';

export const repository = featureRepository(handbookFeatures({ ...LIVE_VARIANT, customerDay: '20h' }));

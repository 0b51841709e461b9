import type { FeatureService } from '../../shared/definitions/index.ts';
import { fraudDetection, userTransactions } from '../../shared/features/fraud.ts';
import { featureRepository } from '../../shared/registry/manifest.ts';

/** The service that ships with the features of its users alone: where one source is enough to show something. */
export const transactionsService: FeatureService = {
  ...fraudDetection,
  views: [userTransactions],
  features: fraudDetection.features.filter(({ view }) => view === userTransactions),
};

export const transactionsRepository = featureRepository({
  views: [userTransactions],
  services: [transactionsService],
});

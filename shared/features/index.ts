/** The feature repository that is deployed. To add features, declare them in a file here and list them below. */
import { featureRepository } from 'fraud-feature-store';
import { fraudDetection, merchantRisk, userTransactions } from './fraud.ts';

export const repository = featureRepository({
  views: [userTransactions, merchantRisk],
  services: [fraudDetection],
  aliases: { predict_fraud: fraudDetection },
});

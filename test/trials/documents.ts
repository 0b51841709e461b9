/** The commands of README and guides, also those that take minutes: `npm run trial -- documents`. */
import { copyProject, removeCopy, runDocuments } from '../documents/run-documents.ts';
import type { Trial } from './trial.ts';

export const documents: Trial = {
  name: 'documents',
  proves: 'every command that README and guides show runs as it is printed, and prints the same words and keys',
  async run() {
    const startedAt = performance.now();
    const copy = await copyProject();
    try {
      const { problems, ran } = await runDocuments({ copy, tries: true });
      for (const problem of problems) process.stderr.write(`${problem}\n`);
      return {
        ok: problems.length === 0 && ran.length > 0,
        json: {
          blocks: ran.length,
          problems: problems.length,
          seconds: Math.round((performance.now() - startedAt) / 1_000),
        },
      };
    } finally {
      await removeCopy(copy);
    }
  },
};

/** Inputs that are mangled in every way: whatever comes in is counted right, or refused in a sentence, and never lost. */
import { Random } from '../simulation/random.ts';
import type { Family, Input, Judgement } from './fuzz/family.ts';
import { files } from './fuzz/files.ts';
import { http } from './fuzz/http.ts';
import { stream } from './fuzz/stream.ts';
import type { Trial } from './trial.ts';

const DEFAULT_INPUTS = 100_000;

/** Of a hundred inputs, how many each family has. A file costs a thousand times what a record costs. */
const familiesOf = async (): Promise<{ readonly family: Family; readonly share: number }[]> => [
  { family: stream, share: 60 },
  { family: http, share: 34 },
  { family: await files(), share: 6 },
];

/** No input takes as long, however slow the machine; what does has no end. */
const LONGEST_MILLIS = 30_000;
/** Of the whole process, three times what 100,000 inputs leave behind. */
const MEGABYTES_MAX = 1_500;
const PRINTED_MAX = 20;
const SHRINKS_MAX = 300;

/** What an input came to; that it threw, or did not end, is a complaint too. */
async function judged({ judge }: Family, input: Input): Promise<Judgement> {
  let timer: NodeJS.Timeout | undefined;
  const end = new Promise<Judgement>((resolve) => {
    timer = setTimeout(() => resolve({ isAccepted: false, complaints: ['did not end'] }), LONGEST_MILLIS);
  });
  const thrown = (error: unknown) => ({
    isAccepted: false,
    complaints: [`threw ${error instanceof Error ? error.stack : String(error)}`],
  });
  const judgement = await Promise.race([judge(input).catch(thrown), end]);
  clearTimeout(timer);
  return judgement;
}

/** What complaints of one kind have in common. */
const kindOf = (complaint = '') => complaint.slice(0, 24);

/** The shortest bytes found with which the complaint is still made. */
async function shrunk(family: Family, input: Input, complaint: string): Promise<Input> {
  let best = input;
  let attempts = 0;
  for (let length = best.bytes.length; length >= 1; length = Math.floor(length / 2)) {
    for (let at = 0; at < best.bytes.length && attempts < SHRINKS_MAX; ) {
      attempts++;
      const bytes = Buffer.concat([best.bytes.subarray(0, at), best.bytes.subarray(at + length)]);
      const { complaints } = await judged(family, { ...best, bytes });
      if (complaints.some((other) => kindOf(other) === kindOf(complaint))) best = { ...best, bytes };
      else at += length;
    }
  }
  return best;
}

const printed = ({ way, bytes, setting }: Input) => {
  const text = bytes.toString();
  const content = Buffer.from(text).equals(bytes) ? JSON.stringify(text) : `base64 ${bytes.toString('base64')}`;
  return `${way} ${JSON.stringify(setting)} ${content.slice(0, 2_000)}`;
};

export const fuzz: Trial = {
  name: 'fuzz',
  proves: 'Mangled inputs are counted right or refused in a sentence that names the field, and nothing is lost.',
  /** @param options.trials how many inputs; 100,000 by default. Input n is made from the seed and n alone. */
  async run({ trials = DEFAULT_INPUTS, seed = 1 }) {
    console.log(`seed ${seed}, ${trials} inputs`);
    const families = await familiesOf();
    const rejections: unknown[] = [];
    const onRejection = (error: unknown) => rejections.push(error);
    process.on('unhandledRejection', onRejection);
    process.on('uncaughtException', onRejection);
    const byFamily: Record<string, number> = {};
    let [accepted, refused, violations] = [0, 0, 0];
    const complain = (line: string) => {
      if (++violations <= PRINTED_MAX) console.log(`violation: ${line}`);
    };
    const kinds = new Set<string>();
    try {
      for (let index = 0; index < trials; index++) {
        const family = familyAt(families, index);
        const input = family.make(new Random(seed + Math.imul(index, 0x9e3779b1)));
        const { isAccepted, complaints } = await judged(family, input);
        byFamily[family.name] = (byFamily[family.name] ?? 0) + 1;
        if (isAccepted) accepted++;
        else refused++;
        const [complaint] = complaints;
        if (complaint !== undefined) {
          // Of each kind one is shrunk; the others are probably the same fault.
          const isNew = !kinds.has(kindOf(complaint));
          kinds.add(kindOf(complaint));
          const smallest = isNew ? await shrunk(family, input, complaint) : input;
          complain(`seed ${seed}, input ${index}: ${complaint}\n  ${printed(smallest)}`);
        }
        // Rejections that nobody handles are told in a turn of their own.
        if (index % 1_000 === 999) await new Promise((resolve) => setImmediate(resolve));
        if (index % 10_000 === 9_999) console.log(`${index + 1} inputs, ${memoryMegabytes()} MB`);
      }
      await new Promise((resolve) => setImmediate(resolve));
    } finally {
      process.off('unhandledRejection', onRejection);
      process.off('uncaughtException', onRejection);
      for (const { family } of families) await family.close?.();
    }
    for (const rejection of rejections) complain(`an error was nobody's: ${String(rejection)}`);
    if ('polluted' in {} || Object.keys(Object.prototype).length > 0)
      complain('the prototype of all objects was changed');
    if (memoryMegabytes() > MEGABYTES_MAX) complain(`the process has ${memoryMegabytes()} MB`);
    return {
      ok: violations === 0 && accepted > 0 && refused > 0,
      json: { seed, inputs: trials, byFamily, accepted, refused, violations, megabytes: memoryMegabytes() },
    };
  },
};

/** Families in turn, evenly, so that a small run sees all of them. */
function familyAt(families: Awaited<ReturnType<typeof familiesOf>>, index: number): Family {
  const shares = families.flatMap(({ family, share }) => Array.from({ length: share }, () => family));
  const family = shares[(index * 37) % shares.length];
  if (family === undefined) throw new Error('there is no family');
  return family;
}

const memoryMegabytes = () => Math.round(process.memoryUsage().rss / 1e6);

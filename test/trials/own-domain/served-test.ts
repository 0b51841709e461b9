import { PACKAGE } from './names.ts';
import { HISTORY_FLAGS, untilAllLanded } from './offline.ts';
import type { World } from './world.ts';

const FILE = 'tests/served.test.ts';

/** A decision that was served, by rules, features and a model, becomes a test that passes. */
export async function createTest(world: World): Promise<void> {
  const { user, checks, scored } = world;
  await untilAllLanded(world);
  const id = String(scored.at(-1)?.event.login_id);
  const said = await user.run(
    `feature-store test create --decision ${id} --served "$HISTORY/served_rows" ${HISTORY_FLAGS} --model ${PACKAGE} --output ${FILE}`,
  );
  checks.that(/a decision of login_check@1 after [1-9]\d* events/.test(said), `test create says: ${said}`);
  checks.that(!said.includes('note:'), `the test expects the decision: ${said}`);
  const { code, stdout, stderr } = await user.shell(`feature-store test run ${FILE}`);
  checks.equal(code, 0, `test run passes (${stderr}${stdout})`);
  checks.that(/pass 1/.test(stdout), `test run ran one test: ${stdout}`);
}

/** It fails once a feature is otherwise. */
export async function failTest({ user, checks }: World): Promise<void> {
  const { code, stdout } = await user.shell(`feature-store test run ${FILE}`);
  checks.equal(code, 1, 'test run fails after features have changed');
  checks.that(/fail 1/.test(stdout), `test run ran one test: ${stdout}`);
  checks.that(stdout.includes('max_typing_24h'), 'the failure names a changed feature');
}

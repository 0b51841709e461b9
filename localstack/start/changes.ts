import type { FeatureRepository } from '../../shared/registry/manifest.ts';

/** What became of features between two declarations, a line each: what is new, what is gone, what is computed otherwise. */
export function changesOf(before: FeatureRepository, after: FeatureRepository): string[] {
  const [old, next] = [featuresOf(before), featuresOf(after)];
  const lines = [...new Set([...old.keys(), ...next.keys()])].flatMap((name) => {
    const [was, is] = [old.get(name), next.get(name)];
    if (was === undefined) return [`+ ${name}: fills from now on`];
    if (is === undefined) return [`- ${name}`];
    return was === is ? [] : [`~ ${name}: is defined otherwise`];
  });
  return lines.length > 0 ? lines : ['No feature has changed; other declarations have.'];
}

/** Definition of each feature, by the name of what declares it and its own. */
function featuresOf({ manifest }: FeatureRepository): ReadonlyMap<string, string> {
  const ofViews = manifest.views.flatMap(({ name, version, features, where, source, entity, windows }) =>
    features.map((feature) => {
      const window = windows.find((one) => one.name === feature.window);
      return [
        `${name}@${version}:${feature.name}`,
        JSON.stringify({ feature, window, where, source, entity }),
      ] as const;
    }),
  );
  const ofServices = manifest.services.flatMap(({ name, version, derived, rules }) => [
    ...derived.map((one) => [`${name}@${version}:${one.name}`, JSON.stringify(one)] as const),
    ...rules.map((rule) => [`${name}@${version} rule ${rule.name}`, JSON.stringify(rule)] as const),
  ]);
  return new Map([...ofViews, ...ofServices]);
}

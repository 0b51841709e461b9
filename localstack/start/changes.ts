import type { FeatureRepository } from '../../shared/registry/manifest.ts';

/** One feature or rule. */
interface Declared {
  /** Name of what declares it and its own. */
  readonly name: string;
  /** What computes it. */
  readonly definition: string;
  /** Whether values are stored for it, without its name. */
  readonly isStored: boolean;
}

/**
 * What became of features between two declarations, a line each: what is new, what is gone, what is called or computed
 * otherwise.
 */
export function changesOf(before: FeatureRepository, after: FeatureRepository): string[] {
  const [old, next] = [declaredIn(before), declaredIn(after)];
  const added = [...next.values()].filter(({ name }) => !old.has(name));
  const gone = [...old.values()].filter(({ name }) => !next.has(name));
  const newNames = new Map<string, string>();
  for (const { name, definition, isStored } of gone) {
    const renamed = added.find((one) => isStored && one.definition === definition && !newNames.has(one.name));
    if (renamed !== undefined) newNames.set(renamed.name, name);
  }
  const oldNames = new Set(newNames.values());
  const lines = [
    ...[...newNames].map(([name, oldName]) => `~ ${oldName}: is called ${name} now, and keeps its values`),
    ...gone.filter(({ name }) => !oldNames.has(name)).map(({ name }) => `- ${name}`),
    ...added
      .filter(({ name }) => !newNames.has(name))
      .map(({ name, isStored }) => `+ ${name}${isStored ? ': fills from now on' : ''}`),
    ...[...next.values()]
      .filter(({ name, definition }) => (old.get(name)?.definition ?? definition) !== definition)
      .map(({ name }) => `~ ${name}: is defined otherwise`),
  ];
  return lines.length > 0 ? lines : ['No feature has changed; other declarations have.'];
}

function declaredIn({ manifest }: FeatureRepository): ReadonlyMap<string, Declared> {
  const ofViews = manifest.views.flatMap(({ name: view, version, features, where, source, entity, windows }) =>
    features.map(({ name, ...feature }): Declared => {
      const window = windows.find((one) => one.name === feature.window);
      return {
        name: `${view}@${version}:${name}`,
        definition: JSON.stringify({ view, version, feature, window, where, source, entity }),
        isStored: true,
      };
    }),
  );
  const ofServices = manifest.services.flatMap(({ name: service, version, derived, rules }) =>
    [
      ...derived.map((one) => [`${service}@${version}:${one.name}`, one] as const),
      ...rules.map((rule) => [`${service}@${version} rule ${rule.name}`, rule] as const),
    ].map(([name, one]): Declared => ({ name, definition: JSON.stringify(one), isStored: false })),
  );
  return new Map([...ofViews, ...ofServices].map((one) => [one.name, one]));
}

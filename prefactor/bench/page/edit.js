// An edit as the page has it: {target, sliders: [{subcomponent, label, alpha}], guard, stacked: [names]}. Every change
// makes a new one, so that any can be gone back to.
const LARGEST = 1e6;
const RIDGE = 0.01;

const emptyEdit = (target) => ({ target, sliders: [], guard: null, stacked: [] });

const added = (edit, subcomponent, label) =>
  edit.sliders.some((slider) => slider.subcomponent === subcomponent)
    ? edit : { ...edit, sliders: [...edit.sliders, { subcomponent, label, alpha: 0 }] };

const removed = (edit, subcomponent) =>
  ({ ...edit, sliders: edit.sliders.filter((slider) => slider.subcomponent !== subcomponent) });

const moved = (edit, subcomponent, alpha) => ({
  ...edit, sliders: edit.sliders.map((slider) => (slider.subcomponent === subcomponent ? { ...slider, alpha } : slider)),
});

const isEmpty = (edit) => !edit.sliders.length && !edit.stacked.length;

// What the server is sent.
const asked = (edit) => ({
  target: edit.target, guard: edit.guard, stacked: edit.stacked,
  sliders: edit.sliders.map(({ subcomponent, alpha }) => ({ subcomponent, alpha })),
});

// Where a slider ends: far enough for its value.
const bound = (alpha) => Math.max(4, 2 ** Math.ceil(Math.log2(Math.max(1, Math.abs(alpha)))));

// The past, the present and what was undone. A drag shows edits that are not in the past until it ends.
function history_(state, action) {
  switch (action.kind) {
    case "drag":
      return { ...state, shown: action.edit };
    case "set":
      if (JSON.stringify(action.edit) === JSON.stringify(state.now)) return { ...state, shown: state.now };
      return { past: [...state.past, state.now], now: action.edit, shown: action.edit, future: [] };
    case "undo": {
      if (!state.past.length) return state;
      const before = state.past[state.past.length - 1];
      return { past: state.past.slice(0, -1), now: before, shown: before, future: [state.now, ...state.future] };
    }
    case "redo": {
      if (!state.future.length) return state;
      const [after, ...future] = state.future;
      return { past: [...state.past, state.now], now: after, shown: after, future };
    }
    default:
      throw new Error(action.kind);
  }
}

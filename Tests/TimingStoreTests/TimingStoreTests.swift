// Tests of TimingStore.

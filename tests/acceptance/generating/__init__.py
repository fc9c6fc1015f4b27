"""An app whose only step writes down what a recorded model says, and dies where its input tells it to."""

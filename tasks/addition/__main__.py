import sys

from . import experiments, train

if __name__ == "__main__":
    if sys.argv[1:2] == ["experiments"]:
        sys.exit(experiments.main(sys.argv[2:]))
    sys.exit(train.main())
